"""A link that leads out of a shard set: every reader refuses it; the Hugging Face Hub's cache is read."""

import hashlib
import shutil

import fsspec
import pytest
from typer.testing import CliRunner

import vidprep
from tests.helpers.paths import RELEASE_0_1
from vidprep.adapters.mmaction2 import DecodeFrames, list_videos
from vidprep.adapters.path_label import VideoClsDataset, VideoDataset
from vidprep.cli.main import app
from vidprep.errors import ShardError
from vidprep.harness.evaluation.tables.predictions import read_scores
from vidprep.links import inside
from vidprep.load import LoaderOptions
from vidprep.recipes.recipe import EvalViews, TrainClip
from vidprep.shards.stored_video import range_reader, read_video

CHECKPOINT = str(RELEASE_0_1 / "run/checkpoints/epoch-0003.pt")
TAR = "train/demo-train-000000.tar"
VALIDATION_TAR = "validation/demo-validation-000000.tar"
REVISION = "0123456789abcdef0123456789abcdef01234567"
CLIP = TrainClip(clip_len=2, crop_size=32)
HERE = LoaderOptions(num_workers=0)
REFUSED = r"is a link to .*, outside of .* Copy it to its place instead of the link, or open the folder"


@pytest.fixture
def shard_set(tmp_path):
    return shutil.copytree(RELEASE_0_1 / "shards", tmp_path / "set")


def link_out(shard_set, name):
    """Put a link in place of a file or folder of a set, which is elsewhere now, with the same bytes."""
    outside = shard_set.parent / "outside" / name.replace("/", "-")
    outside.parent.mkdir(exist_ok=True)
    shutil.move(shard_set / name, outside)
    (shard_set / name).symlink_to(outside)
    return outside


def in_hub_cache(shard_set, tmp_path, *, below=""):
    """Move a set to where huggingface_hub's cache would have it, every file a link."""
    repository = tmp_path / "hub/datasets--org--set"
    snapshot = repository / "snapshots" / REVISION / below
    (repository / "blobs").mkdir(parents=True)
    files = [path for path in shard_set.rglob("*") if path.is_file() and ".build" not in path.parts]
    assert len(files) > 8
    for path in files:
        blob = repository / "blobs" / hashlib.sha256(path.read_bytes()).hexdigest()
        link = snapshot / path.relative_to(shard_set)
        link.parent.mkdir(parents=True, exist_ok=True)
        up = "../" * len(link.parent.relative_to(repository).parts)
        shutil.copy(path, blob)
        link.symlink_to(f"{up}blobs/{blob.name}")
    return snapshot


def read_by_hand(path):
    split = vidprep.ShardSet.open(path).split("train")
    video = next(one for one in map(split.video, range(len(split))) if one.shard == TAR)
    read_video(range_reader(str(path)), video)


def read_at_url(path):
    split = vidprep.ShardSet.open(f"file://{path}").split("train")
    for row in range(len(split)):
        read_video(range_reader(f"file://{path}"), split.video(row))


def load_clips(path, **options):
    with vidprep.ClipLoader(path, "train", clip=CLIP, batch_size=2, options=HERE, **options) as loader:
        list(loader)


def load_views(path):
    views = EvalViews(clip_len=2, crop_size=32, num_clips=1, num_crops=1)
    with vidprep.ViewLoader(path, "train", views=views, options=HERE) as loader:
        list(loader)


def load_samples(path):
    dataset = vidprep.ShardDataset(path, "train", clip=CLIP)
    for row in range(len(dataset)):
        dataset[row]


def load_for_mmaction2(path):
    for one in list_videos(f"{path}/train"):
        DecodeFrames(clip_len=2).transform(one)


def load_for_videomae(path):
    dataset = VideoClsDataset(f"{path}/train", clip=CLIP)
    for row in range(len(dataset)):
        dataset[row]


def load_for_vjepa2(path):
    dataset = VideoDataset(f"{path}/train", frames_per_clip=2, frame_step=1, crop_size=32)
    for row in range(len(dataset)):
        dataset[row]


READERS = {
    "ShardSet": read_by_hand,
    "file URL": read_at_url,
    "ClipLoader": load_clips,
    "ViewLoader": load_views,
    "ShardDataset": load_samples,
    "mmaction2": load_for_mmaction2,
    "VideoMAE": load_for_videomae,
    "V-JEPA 2": load_for_vjepa2,
}
# Command lines; SET is the set, OUT a place to write to.
COMMANDS = {
    "verify": "verify SET",
    "eval": f"eval --shards SET --split train --checkpoint {CHECKPOINT} --out OUT --device cpu",
    "train": "train --shards SET --out OUT --recipe RUN/recipe.toml --device cpu",
    "passport": "passport SET --out OUT",
    "subset": "subset SET --limit 100 --out OUT",
    "merge": "merge SET OTHER --out OUT",
    "reshard": "reshard SET --samples-per-shard 2 --out OUT",
    "push": "push SET memory://links/OUT",
    "export files": "export SET --for files --out OUT",
    "export csv": "export SET --for csv --out OUT",
}


def run_command(text, shard_set, tmp_path):
    words = {"SET": shard_set, "OUT": tmp_path / "out", "RUN": RELEASE_0_1 / "run"}
    words |= {"OTHER": RELEASE_0_1 / "shards"}
    for word, path in words.items():
        text = text.replace(word, str(path))
    done = CliRunner().invoke(app, text.split())
    return done.exit_code, " ".join(f"{done.output} {done.exception}".split())


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("link", [TAR, "train"])
def test_readers_refuse_a_link_out_of_the_set(shard_set, name, link):
    link_out(shard_set, link)
    with pytest.raises(ShardError, match=REFUSED) as raised:
        READERS[name](shard_set)
    assert f"{shard_set / link} is a link to {shard_set.parent}/outside/" in str(raised.value)


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_refuse_a_link_out_of_the_set(shard_set, tmp_path, name):
    outside = link_out(shard_set, TAR)
    code, said = run_command(COMMANDS[name], shard_set, tmp_path)
    assert code == 1, said
    assert f"{TAR} is a link to {outside}, outside of" in said
    assert not [path for path in fsspec.filesystem("memory").find("/links") if path.endswith(".json")]


@pytest.mark.parametrize("name", ["index.parquet", "manifest.json", "classes.json", "ledger.parquet"])
def test_sidecars_that_are_links_out_of_the_set_are_refused(shard_set, tmp_path, name):
    outside = link_out(shard_set, name)
    wanted = f"{name} is a link to {outside}, outside of"
    copies = ["subset SET --limit 9 --out OUT"] if name != "classes.json" else []  # which is written anew
    for command in ("verify SET", "passport SET --out OUT", *copies):
        code, said = run_command(command, shard_set, tmp_path)
        assert code == 1, said
        assert wanted in said, said


def test_a_passport_of_the_set_that_is_a_link(shard_set, tmp_path):
    vidprep.passport(shard_set, shard_set / "passport.parquet")
    outside = link_out(shard_set, "passport.parquet")
    with pytest.raises(ShardError, match=rf"passport\.parquet is a link to {outside}, outside of"):
        vidprep.compare(shard_set, RELEASE_0_1 / "shards")


@pytest.mark.parametrize("link", [TAR, "train"])
def test_third_party_tars_that_are_links_are_not_indexed(tmp_path, link):
    folder = tmp_path / "theirs"
    shutil.copytree(RELEASE_0_1 / "shards/train", folder / "train")
    vidprep.index_tars(folder, num_workers=0)
    outside = link_out(folder, link)
    with pytest.raises(ShardError, match=REFUSED):
        vidprep.index_tars(folder, num_workers=0)
    with pytest.raises(ShardError, match=REFUSED):
        vidprep.verify(folder, num_workers=0)
    assert outside.exists()


def test_a_report_names_the_link_and_shows_nothing_of_it(tmp_path):
    """A page is published: what a folder from elsewhere links to must not be in it."""
    run, evaluation = (shutil.copytree(RELEASE_0_1 / name, tmp_path / name) for name in ("run", "eval"))
    (tmp_path / "secret").write_text("password")
    (run / "recipe.toml").unlink()
    (run / "recipe.toml").symlink_to(tmp_path / "secret")
    page = tmp_path / "page.html"
    vidprep.write_report([run, evaluation], page)
    assert "recipe.toml is a link to" in page.read_text()
    assert "password" not in page.read_text()
    link_out(evaluation, "predictions.parquet")
    with pytest.raises(ShardError, match=REFUSED):
        read_scores(evaluation)


def test_links_to_the_set_and_within_it_are_fine(shard_set, tmp_path):
    linked = tmp_path / "home/set"
    linked.parent.mkdir()
    linked.symlink_to(shard_set)
    (shard_set / TAR).rename(shard_set / "train/moved.tar")
    (shard_set / TAR).symlink_to("moved.tar")
    for read in (read_by_hand, read_at_url, load_clips):
        read(linked)


def test_within_the_set_a_tar_is_a_link_to_a_tar_only(shard_set):
    shutil.move(shard_set / TAR, shard_set / "note.txt")
    (shard_set / TAR).symlink_to("../note.txt")
    with pytest.raises(ShardError, match=r"000000\.tar is a link to .*note\.txt, which is no \.tar file"):
        read_by_hand(shard_set)


@pytest.mark.parametrize("below", ["", "mini/demo"])
def test_a_set_in_the_hub_s_cache_is_read(shard_set, tmp_path, below):
    snapshot = in_hub_cache(shard_set, tmp_path, below=below)
    assert vidprep.verify(snapshot, num_workers=0).problems == ()
    for read in READERS.values():
        read(snapshot)
    for name in ("passport", "subset", "export files"):
        code, said = run_command(COMMANDS[name], snapshot, tmp_path / name.replace(" ", "-"))
        assert code == 0, said


def test_only_blobs_of_the_same_repository_belong_to_a_snapshot(shard_set, tmp_path):
    snapshot = in_hub_cache(shard_set, tmp_path)
    hub = tmp_path / "hub"
    (hub / "datasets--other--set/blobs").mkdir(parents=True)
    secret = tmp_path / "secret.tar"
    shutil.copy(snapshot / TAR, secret)
    blob = snapshot.parents[1] / "blobs/hostile"
    blob.symlink_to(secret)
    shutil.copy(secret, hub / "datasets--other--set/blobs/tar")
    for target in (secret, blob, hub / "datasets--other--set/blobs/tar", snapshot.parents[1] / "refs/tar"):
        (snapshot / TAR).unlink()
        (snapshot / TAR).symlink_to(target)
        with pytest.raises(ShardError, match=REFUSED):
            read_by_hand(snapshot)


def test_folders_that_are_called_like_a_cache_are_none(shard_set, tmp_path):
    snapshot = in_hub_cache(shard_set, tmp_path)
    renamed = snapshot.rename(snapshot.with_name("main"))  # no revision
    with pytest.raises(ShardError, match=REFUSED):
        read_by_hand(renamed)


@pytest.mark.parametrize("url", ["simplecache::file://SET", "dir::file://SET"])
def test_a_folder_behind_another_protocol_is_refused(shard_set, url):
    with pytest.raises(ShardError, match=r"is a folder of this machine behind another protocol\. Give its"):
        vidprep.ShardSet.open(url.replace("SET", str(shard_set)))


def test_pull_takes_no_link_of_a_folder_behind_a_url(shard_set, tmp_path):
    (tmp_path / "secret").write_text("password")
    (shard_set / "README.md").unlink()
    (shard_set / "README.md").symlink_to(tmp_path / "secret")
    with pytest.raises(ShardError, match=REFUSED):
        vidprep.pull(f"file://{shard_set}", tmp_path / "copy")
    assert not (tmp_path / "copy/README.md").exists()


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "train/../../outside"])
def test_names_that_lead_out_without_a_link(shard_set, name):
    with pytest.raises(ShardError, match=r"lies at .*, outside of"):
        inside(shard_set, name)

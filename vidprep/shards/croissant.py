"""croissant.json: a finished set described in MLCommons' Croissant 1.1 (JSON-LD), which NeurIPS demands.

Facts come from the manifest, the class list and the dataset's file. Fields that only the publisher can know
are left empty: see `UNKNOWN_FIELDS`. Source: mlcommons/croissant, docs/croissant-spec-1.1.md.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vidprep.errors import RecipeError, ShardError
from vidprep.files import write_whole
from vidprep.links import inside
from vidprep.recipes.classes import dataset_of
from vidprep.recipes.manifests import SPLITS
from vidprep.recipes.recipe import Recipe
from vidprep.shards.layout import CLASSES, INDEX, LEDGER, PASSPORT
from vidprep.shards.manifest import Manifest, find_file, read_manifest
from vidprep.shards.shard_set import ShardSet

CROISSANT = "croissant.json"
# To be filled in by the publisher of a set: nothing in the set tells.
UNKNOWN_FIELDS = (
    "url",
    "creator",
    "datePublished",
    "citeAs",
    "rai:personalSensitiveInformation",
    "rai:dataBiases",
    "rai:dataUseCases",
    "rai:dataSocialImpact",
)
# The type that mlcroissant reads; it does not know the registered "application/vnd.apache.parquet".
_PARQUET = "application/x-parquet"
_TYPES = {"string": "sc:Text", "double": "sc:Float"}
# From appendix 1 of the specification, and what mlcroissant 1.1 needs besides.
_CROISSANT_TERMS = (
    "annotation",
    "arrayShape",
    "citeAs",
    "column",
    "containedIn",
    "equivalentProperty",
    "excludes",
    "extract",
    "field",
    "fileObject",
    "fileProperty",
    "fileSet",
    "format",
    "includes",
    "isArray",
    "isLiveDataset",
    "jsonPath",
    "key",
    "md5",
    "parentField",
    "path",
    "readLines",
    "recordSet",
    "references",
    "regex",
    "repeated",
    "replace",
    "samplingRate",
    "sdVersion",
    "separator",
    "source",
    "subField",
    "transform",
    "unArchive",
    "value",
)
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "prov": "http://www.w3.org/ns/prov#",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    # Texts may be given in several languages since 1.1.
    "name": {"@container": "@language"},
    "description": {"@container": "@language"},
    **{name: f"cr:{name}" for name in _CROISSANT_TERMS},
}


def write_croissant(shards_dir: Path) -> list[Path]:
    """Write croissant.json into a finished set; fields that a publisher filled in earlier are kept.

    Returns:
        The paths of the files that were written.

    Raises:
        ShardError: If the set is not finished, or lacks its class list.
    """
    manifest, shards = read_manifest(shards_dir), ShardSet.open(shards_dir)
    # Ledgers of format 1 have fewer columns.
    ledger_columns = pq.read_schema(find_file(shards_dir, LEDGER))
    columns = {INDEX: shards.index.schema, LEDGER: ledger_columns}
    described = _describe(manifest, shards.classes, _class_list(shards_dir), columns)
    before = _read_croissant(shards_dir) or {}
    described |= {name: before[name] for name in UNKNOWN_FIELDS if name in before}
    path = shards_dir / CROISSANT
    write_whole(path, (json.dumps(described, indent=1, ensure_ascii=False) + "\n").encode())
    return [path]


def unfilled_fields(shards_dir: Path) -> list[str]:
    """Return the fields of a set's croissant.json that only its publisher can fill in, and has not."""
    described = _read_croissant(shards_dir) or {}
    return [name for name in UNKNOWN_FIELDS if name not in described]


def croissant_problems(shards_dir: Path, manifest: Manifest) -> list[str]:
    """Check that croissant.json, if there is one, describes the files of the manifest."""
    if not (shards_dir / CROISSANT).is_file():
        return []
    described = _read_croissant(shards_dir)
    files = described.get("distribution", []) if described else []
    found = {one.get("contentUrl"): one.get("sha256") for one in files if isinstance(one, dict)}
    differing = [name for name, sha256 in _hashes(manifest).items() if found.get(name) != sha256]
    if not differing:
        return []
    return [
        f"{CROISSANT} describes other files than the manifest, e.g. {differing[0]}. Write it anew: "
        f"vidprep export {shards_dir} --for croissant."
    ]


def _read_croissant(shards_dir: Path) -> dict[str, Any] | None:
    try:
        described = json.loads(inside(shards_dir, CROISSANT).read_bytes())
    except (OSError, ValueError):
        return None
    return described if isinstance(described, dict) else None


def _hashes(manifest: Manifest) -> dict[str, str]:
    """Return the sha256 of each file that the manifest names."""
    files = {INDEX: manifest.index_sha256, LEDGER: manifest.ledger_sha256}
    files |= {PASSPORT: manifest.passport_sha256} if manifest.passport_sha256 else {}
    return files | {shard.name: shard.sha256 for shard in manifest.shards}


def _class_list(shards_dir: Path) -> bytes:
    if not (shards_dir / CLASSES).is_file():
        raise ShardError(f"{shards_dir / CLASSES} is missing. Run the same build again.")
    return inside(shards_dir, CLASSES).read_bytes()


def _describe(
    manifest: Manifest, classes: dict[str, int], classes_json: bytes, columns: dict[str, pa.Schema]
) -> dict[str, Any]:
    recipe = manifest.recipe
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.1",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        "name": recipe.name,
        "description": f"{recipe.title}: videos for action recognition in WebDataset shards, with an account "
        "of every annotated video.",
        # An extension adds records and changes none, so it is a minor version.
        "version": f"1.{manifest.generation - 1}.0",
        "keywords": ["video", "action recognition", recipe.dataset.name],
        "isLiveDataset": False,
        **_origin(recipe),
        **_responsible_ai(manifest),
        "distribution": _distribution(manifest, classes_json),
        "recordSet": [
            _splits(),
            _classes(classes),
            _columns("videos", "A row per stored video: where it lies in which tar.", INDEX, columns[INDEX]),
            _columns(
                "annotation", "A row per annotated video: used, missing or rejected.", LEDGER, columns[LEDGER]
            ),
        ],
    }


def _origin(recipe: Recipe) -> dict[str, Any]:
    """Return which dataset a set was made from, and what is known of its licence."""
    try:
        dataset = dataset_of(recipe.dataset)
    except RecipeError:  # a dataset that only another version of vidprep knows
        return {}
    source: dict[str, str] = {"@type": "prov:Entity", "prov:label": dataset.title}
    found: dict[str, Any] = {"prov:wasDerivedFrom": source}
    if dataset.homepage:
        source["@id"] = dataset.homepage
    if dataset.licence:
        of_source = {"@type": "sc:CreativeWork", "name": f"{dataset.title}: {dataset.licence}"}
        found["license"] = of_source | ({"url": dataset.homepage} if dataset.homepage else {})
    return found


def _responsible_ai(manifest: Manifest) -> dict[str, Any]:
    """Return what is known of where the videos come from and what was done to them."""
    lacking = "; ".join(
        f"{split}: {t.used:,} of {t.annotated:,} annotated videos are used, {t.missing:,} were missing, "
        f"{t.rejected:,} rejected"
        for split, t in manifest.totals.items()
    )
    done = _what_was_done(manifest)
    return {
        "prov:wasGeneratedBy": {"@type": "prov:Activity", "prov:label": done},
        "rai:dataCollection": f"Videos of {manifest.recipe.title} as the owner of this set obtained them.",
        "rai:dataCollectionMissingData": f"{lacking}. ledger.parquet names each, and the reason.",
        "rai:dataPreprocessingProtocol": [done],
        "rai:dataLimitations": [
            "Accuracies on sets that lack different videos do not compare; `vidprep compare` tells which are "
            "in both."
        ],
        "rai:dataReleaseMaintenancePlan": "The licence of the source decides whether videos may be passed "
        f"on, stored anew or not. {PASSPORT} holds no video content: ids, labels, and what became of each.",
    }


def _what_was_done(manifest: Manifest) -> str:
    transcode = manifest.recipe.transcode
    done = (
        f"Each video was decoded and stored as H.264 with short side {transcode.short_side}, every frame "
        "once and in order, without sound"
        if transcode.mode == "encode"
        else "Each video was stored as it is, or put into an MP4 without decoding it"
    )
    made_with = ", ".join(f"{name} {version}" for name, version in manifest.tools.items())
    return f"{done}. Made with {made_with}; manifest.json holds the recipe."


def _distribution(manifest: Manifest, classes_json: bytes) -> list[dict[str, Any]]:
    sizes = {shard.name: shard.size_bytes for shard in manifest.shards}
    files = [
        _file(name, sha256, "application/x-tar") | {"contentSize": f"{sizes[name]} B"}
        if name in sizes
        else _file(name, sha256, _PARQUET)
        for name, sha256 in _hashes(manifest).items()
    ]
    return [*files, _file(CLASSES, hashlib.sha256(classes_json).hexdigest(), "application/json")]


def _file(name: str, sha256: str, encoding: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "encodingFormat": encoding,
        "sha256": sha256,
    }


def _splits() -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [_field("splits/name", "sc:Text")],
        "data": [{"splits/name": split} for split in SPLITS],
    }


def _classes(classes: dict[str, int]) -> dict[str, Any]:
    ordered = sorted(classes, key=classes.__getitem__)
    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "description": "Names of the classes by label.",
        "dataType": "sc:Enumeration",
        "key": {"@id": "classes/label"},
        "field": [_field("classes/label", "sc:Integer"), _field("classes/name", "sc:Text")],
        "data": [{"classes/label": classes[name], "classes/name": name} for name in ordered],
    }


def _columns(name: str, description: str, file: str, schema: pa.Schema) -> dict[str, Any]:
    references = {"split": "splits/name", "label": "classes/label"}
    fields = []
    for column in schema:
        field = _field(f"{name}/{column.name}", _TYPES.get(str(column.type), "sc:Integer"))
        field["source"] = {"fileObject": {"@id": file}, "extract": {"column": column.name}}
        if column.name in references:
            field["references"] = {"field": {"@id": references[column.name]}}
        fields.append(field)
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "field": fields,
    }


def _field(identifier: str, data_type: str) -> dict[str, Any]:
    name = identifier.rsplit("/", 1)[-1]
    return {"@type": "cr:Field", "@id": identifier, "name": name, "dataType": data_type}

"""A dataset as a file: its labels, how its lists and folders look, and how many videos it should have."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from vidprep.recipes.toml_models import Frozen

VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".ts", ".m4v", ".mpg", ".mpeg", ".flv")
# In a pattern of list names, stands for the number of the fold.
FOLD = "{fold}"
Counts = dict[str, int]


def two_alike(names: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the first two names that differ only in case, blanks or underscores."""
    seen: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[\s_]+", " ", name.casefold()).strip()
        if plain in seen:
            return seen[plain], name
        seen[plain] = name
    return None


class FlipPartners(Frozen):
    """Two classes that a horizontal flip turns into each other."""

    classes: tuple[str, str]


class Labels(Frozen):
    """Class names in label order: the index of a name is its label."""

    classes: tuple[str, ...] = Field(min_length=1)


class DatasetLabels(Frozen):
    """The classes of a dataset.

    Attributes:
        name: Name of this label, e.g. "verb" where a sample has several labels.
        classes: In label order. None: the classes that the lists name, in alphabetical order.
        file: A text file beside the dataset file with one class a line, in label order, instead of `classes`.
        first_index: Number of the first class where lists give numbers instead of names.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] = "class"
    classes: tuple[str, ...] = ()
    file: str = ""
    first_index: Literal[0, 1] = 0

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name == "full":
            raise ValueError("'full' is reserved: label_full is the label within the full dataset")
        return name

    @field_validator("classes")
    @classmethod
    def _are_distinct(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        alike = two_alike(classes)
        if alike:
            raise ValueError(
                f"'{alike[0]}' and '{alike[1]}' differ only in case, blanks or underscores; "
                "give them one name, or names that a person can tell apart"
            )
        return classes


class AnnotationList(Frozen):
    """How one kind of annotation file looks.

    Every form is read as rows of named columns. A column `path` gives two more, `stem` (its file name without
    the suffix) and `folder` (the innermost folder); a named group of `file` gives one, too.

    Attributes:
        file: Regular expression that the file's name matches (without `.gz`); `{fold}` stands for the fold.
        given_file: The same for a file that is passed by its path and may have been renamed; "": as `file`.
        content: "records"; "labels", to be compared with the dataset's (a group `labels` of the pattern says
            which); "videos", the files that segments are parts of, `end` being their duration; or "nothing".
        form: "csv"; "json" (a list of objects, or one object a line); "lines" ("path label", split at
            blanks from the right); "folders" (no file at all: each folder of videos is a class).
        starts_with: First character of the file, if its name alone fits lists of other datasets, too.
        separator: Separator of the columns of a CSV.
        header: Whether a CSV begins with the names of its columns.
        columns: Names of the columns, in order.
        optional_columns: Names of columns that may follow.
        any_order: Whether the columns of a CSV may stand in any order, and others between them.
        id: The id of a sample, made of columns: "{youtube_id}_{time_start:06d}".
        label: The column with the class.
        label_is: Whether that column holds the class's "name" or its number ("index").
        drop_from_label: Characters that are not part of the class name.
        check_index: A column with the class's number, to be compared with the name; "": none.
        more_labels: Column of each further label of a sample, by its name.
        split: The split of all rows; "" where a column tells.
        split_column: The column that tells a row's split.
        split_values: The split for each value of that column; "" leaves the row out.
        video: The id of the file that the sample is a part of; "": the file is the sample.
        start: Column with the start; together with `end` and `video` it makes the sample a segment.
        end: Column with the end.
        times: Form of both: "whole_seconds", "seconds", "clock" (hours:minutes:seconds), or "frames".
        frame_rate: Frame rate at which frames were counted; 0: they are frames of the video itself.
        first_frame: Number that lists give to the first frame of a video, 0 or 1.
        parts: Whether several such files make one list.
        note: A sentence to show beside the counts if such a file was read.
    """

    file: str
    given_file: str = ""
    content: Literal["records", "labels", "videos", "nothing"] = "records"
    form: Literal["csv", "json", "lines", "folders"]
    starts_with: str = ""
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    header: bool = True
    columns: tuple[str, ...] = ()
    optional_columns: tuple[str, ...] = ()
    any_order: bool = False
    id: str = "{id}"
    label: str = "label"
    label_is: Literal["name", "index"] = "name"
    drop_from_label: str = ""
    check_index: str = ""
    more_labels: dict[str, str] = Field(default_factory=dict)
    split: Literal["train", "validation", ""] = ""
    split_column: str = ""
    split_values: dict[str, Literal["train", "validation", ""]] = Field(default_factory=dict)
    video: str = ""
    start: str = ""
    end: str = ""
    times: Literal["whole_seconds", "seconds", "clock", "frames"] = "seconds"
    frame_rate: float = Field(default=0.0, ge=0)
    first_frame: int = Field(default=0, ge=0, le=1)
    parts: bool = False
    note: str = ""

    @field_validator("file", "given_file")
    @classmethod
    def _is_a_pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern.replace(FOLD, "1"))
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        return pattern

    @model_validator(mode="after")
    def _names_its_columns(self) -> Self:
        """Refuse a rule that names a column which the file cannot have."""
        if self.form == "folders" or self.content != "records":
            return self
        known = {*self.columns, *self.optional_columns, *re.compile(self.file.replace(FOLD, "1")).groupindex}
        known |= {"stem", "folder"} if "path" in known else set()
        named = {*re.findall(r"{(\w+)", self.id + self.video), self.label, *self.more_labels.values()}
        named |= {self.start, self.end, self.split_column, self.check_index} - {""}
        if unknown := sorted(named - known):
            raise ValueError(f"there is no column '{unknown[0]}'; columns are {', '.join(sorted(known))}")
        if bool(self.start) != bool(self.end):
            raise ValueError("'start' and 'end' go together")
        if self.video and not self.start:
            raise ValueError(
                "'video' says of which file a sample is a part: 'start' and 'end' say which part"
            )
        return self


class VideoFiles(Frozen):
    """How an id becomes a file name, and which folders occur.

    Attributes:
        id: The id of a file: its "name" without the suffix, or its "path" below the source folder.
        suffixes: File suffixes that count as videos, in small letters.
        where: Where videos lie below a source folder, for messages.
        class_folders: Whether a folder may be named after a class; a video in the folder of another class is
            rejected.
        plain_ids: Whether an id with characters other than letters, digits, `_` and `-` is an error of the
            list; else it is escaped.
        image_folders: Whether a folder of numbered JPEGs is a video.
        frame_rate: Images a second of such a folder.
    """

    id: Literal["name", "path"] = "name"
    suffixes: tuple[str, ...] = VIDEO_SUFFIXES
    where: str = "<id>.mp4, at any depth"
    class_folders: bool = False
    plain_ids: bool = False
    image_folders: bool = False
    frame_rate: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _images_have_a_rate(self) -> Self:
        if self.image_folders != (self.frame_rate > 0):
            raise ValueError("'image_folders' and 'frame_rate' go together: images do not tell their rate")
        return self


class Release(Frozen):
    """One of several publications of the lists, which have different counts.

    Attributes:
        name: Name of the release, for `dataset.release`.
        file: Regular expression of the names of its lists (without `.gz`).
        expected: Published number of samples in each split.
    """

    name: str
    file: str
    expected: Counts


class DatasetManifest(Frozen):
    """A full dataset, as described by `manifests/<name>.toml` or a dataset file of your own.

    Attributes:
        name: Short name, in lower-case letters, digits and underscores.
        title: Full name, for people.
        source: Where the facts stated here come from.
        licence: Licence of the videos.
        homepage: Where to get the videos.
        short_title: Title in messages about malformed lists that several datasets have; "": `title`.
        expected: Published number of samples in each split.
        counts_from: Where these numbers come from: "published", or "Table A" (of Kobayashi & Ye 2024).
        counts_vary: Why complete lists may have other counts; "": other counts give a warning.
        folds: Number of samples in each split, for each fold in order.
        releases: Publications of the lists with different counts; the first one is the default.
        list_names: Names of the annotation files, for messages.
        which_list: Message about a file whose name does not tell which list it is.
        list_folders: Where lists lie below a folder, besides `annotations/` and `labels/`.
        val_fraction: Share (0 to 1) of samples for validation, if neither lists nor folders tell the split;
            chosen by a hash of the id.
        val_seed: Seed of that hash.
        flip_partners: Pairs of classes that a horizontal flip turns into each other.
        lists: How each kind of annotation file looks.
        videos: How an id becomes a file name.
        labels: The classes of the label that is trained on by default.
        more_labels: Further labels of a sample, each with its classes.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$", max_length=40)]
    title: str
    source: str = ""
    licence: str = ""
    homepage: str = ""
    short_title: str = ""
    expected: Counts = Field(default_factory=dict)
    counts_from: str = "published"
    counts_vary: str = ""
    folds: tuple[Counts, ...] = ()
    releases: tuple[Release, ...] = ()
    list_names: str = ""
    which_list: str = ""
    list_folders: tuple[str, ...] = ()
    val_fraction: float = Field(default=0.0, ge=0, lt=1)
    val_seed: int = 0
    flip_partners: tuple[FlipPartners, ...] = ()
    lists: tuple[AnnotationList, ...] = Field(min_length=1)
    videos: VideoFiles = VideoFiles()
    labels: DatasetLabels = DatasetLabels()
    more_labels: tuple[DatasetLabels, ...] = ()

    @property
    def label_of(self) -> dict[str, int]:
        """Map a class name to its index in the official order."""
        return {name: index for index, name in enumerate(self.labels.classes)}

    def with_target(self, target: str) -> "DatasetManifest":
        """Return the dataset with another of its labels as the one to train on.

        Raises:
            ValueError: If it has no labels of that name.
        """
        every = (self.labels, *self.more_labels)
        names = [labels.name for labels in every]
        if target not in names:
            raise ValueError(f"dataset.target '{target}': {self.title} has the labels {', '.join(names)}.")
        if target == self.labels.name:
            return self
        chosen = every[names.index(target)]
        lists = tuple(_with_target(rule, self.labels.name, target) for rule in self.lists)
        rest = tuple(labels for labels in every if labels is not chosen)
        return self.model_copy(
            update={"labels": chosen, "more_labels": rest, "lists": lists, "expected": self.expected}
        )


def _with_target(rule: AnnotationList, before: str, target: str) -> AnnotationList:
    if target not in rule.more_labels:
        return rule
    more = {name: column for name, column in rule.more_labels.items() if name != target}
    return rule.model_copy(
        update={"label": rule.more_labels[target], "more_labels": more | {before: rule.label}}
    )

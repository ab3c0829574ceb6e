"""Recipes: path templates, the shipped files, new files, and one clear line for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from stressnet.corpus.recipe import available_recipes, find_audio, load_recipe, template_to_regex
from stressnet.corpus.scan import scan
from stressnet.errors import RecipeError

MINIMAL = """
[corpus]
name = "mine"
title = "My corpus"
licence = "CC0"
citation = "me"

[audio]
pattern = "{speaker}/{utterance}.wav"
"""


@pytest.mark.parametrize(
    ("template", "path", "fields"),
    [
        ("**/{speaker}/{utterance}.flac", "19/a b.flac", {"speaker": "19", "utterance": "a b"}),
        ("**/{speaker}/{utterance}.flac", "x/y/19/汉é.flac", {"speaker": "19", "utterance": "汉é"}),
        ("{speaker}/{utterance}.flac", "x/19/a.flac", None),
        ("**/{utterance}.wav", "a.wav", {"utterance": "a"}),
        ("**/{utterance}.wav", "a.wavx", None),
        ("{speaker}_{utterance}.wav", "a_b_c.wav", {"speaker": "a_b", "utterance": "c"}),
        ("{speaker}/{speaker}-{utterance}.wav", "x/x-1.wav", {"speaker": "x", "utterance": "1"}),
        ("{speaker}/{speaker}-{utterance}.wav", "x/y-1.wav", None),
        ("wav*/{speaker}/{utterance}.wav", "wav16/s/u.wav", {"speaker": "s", "utterance": "u"}),
        ("wav*/{speaker}/{utterance}.wav", "wav/16/s/u.wav", None),
        ("a.b/{utterance}.wav", "aXb/u.wav", None),
    ],
)
def test_templates(template: str, path: str, fields: dict[str, str] | None) -> None:
    match = template_to_regex(template).fullmatch(path)
    assert (match and match.groupdict()) == fields


def test_the_shipped_recipes_load() -> None:
    found = available_recipes()
    expected = {"librispeech", "ljspeech", "generic", "espeak-demo", "timit", "buckeye"}
    assert expected <= set(found)
    for name, file in found.items():
        recipe = load_recipe(name)
        assert recipe.name == name == file.stem
        assert recipe.title and recipe.licence and recipe.citation
        assert recipe.transcripts or recipe.alignments
        assert recipe == load_recipe(str(file))
        for part in recipe.parts.values():
            assert part.url.startswith("https://")
            assert len(part.sha256) == 64 and int(part.sha256, 16)
            assert part.size
    assert load_recipe("espeak-demo").synthetic
    assert not load_recipe("librispeech").synthetic
    assert "dev-clean" in load_recipe("librispeech").parts


def write(folder: Path, text: str) -> str:
    file = folder / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_a_new_corpus_is_a_new_file(tmp_path: Path) -> None:
    text = MINIMAL.replace('"{speaker}/', '"data/{session}/{speaker}/') + (
        '[[transcript]]\nkind = "table"\npattern = "{folder}/../{session}.csv"\n'
        'delimiter = ";"\nid_column = 1\ntext_column = 0\n'
        '[[alignment]]\npattern = "{folder}/{utterance}.TextGrid"\n'
        '[[speakers.table]]\nfile = "who.csv"\ndelimiter = ","\nsex_column = 2\n'
        '[[labels]]\nfile = "labels.tsv"\n'
        '[parts.all]\nurl = "https://example.org/a.tar"\nsha256 = "00"\n'
    )
    recipe = load_recipe(write(tmp_path, text))
    assert recipe.name == "mine"
    assert recipe.transcripts[0].delimiter == ";"
    assert [a.pattern for a in recipe.alignments] == ["{folder}/{utterance}.TextGrid"]
    assert recipe.speaker_tables[0].sex_column == 2
    assert [table.file for table in recipe.label_tables] == ["labels.tsv"]
    assert recipe.parts["all"].size == ""


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[corpus", "not valid TOML"),
        ("", "lacks the section [corpus]"),
        ("corpus = 3\n[audio]\npattern = 'x'", "'corpus' must be a section"),
        (MINIMAL + "[[transcriptions]]\nkind = 'lines'", "unknown section 'transcriptions'"),
        (MINIMAL + "[[transcripts]]\nkind = 'lines'", "is written [[transcript]]"),
        (MINIMAL + "[transcripts]\nconvention = 'x'", "there are plain, chat, fave, librispeech"),
        (MINIMAL + "[transcripts]\nrules = ['a', 'b']", "rules must be pairs of text"),
        (MINIMAL + "[transcripts]\nrules = [['a(?=b)', '']]", "in the syntax of RE2"),
        (MINIMAL + "[transcripts]\nrules = [['a', '\\1']]", "cannot be used"),
        (MINIMAL.replace("licence", "license"), "[corpus] has an unknown entry 'license'"),
        (MINIMAL.replace('title = "My corpus"\n', ""), "[corpus] lacks 'title'"),
        (MINIMAL.replace('"My corpus"', "7"), "[corpus] title = 7 must be text in quotes"),
        (MINIMAL.replace("[audio]", "[sound]"), "unknown section 'sound'"),
        (MINIMAL.split("[audio]")[0], "lacks the section [audio]"),
        (MINIMAL.split("pattern")[0], "[audio] lacks 'pattern'"),
        (MINIMAL.replace('"{speaker}/{utterance}.wav"', "[1]"), "must be text in quotes"),
        (MINIMAL.replace("{utterance}", "{id}"), "lacks {utterance}"),
        (MINIMAL.replace("{speaker}/", ""), "lacks {speaker}"),
        (MINIMAL.replace("{speaker}/", "{speaker}/{1}/"), "unusable name"),
        (MINIMAL + "[speakers]\nnames = 'x'", "[speakers] has an unknown entry 'names'"),
        (MINIMAL + "[speakers]\nconstant = 5", "constant = 5 must be text"),
        (MINIMAL + "[transcript]\nkind = 'lines'\npattern = 'x'", "must be written [[transcript]]"),
        (MINIMAL + "[[transcript]]\nkind = 'lines'", "[[transcript]] lacks 'pattern'"),
        (MINIMAL + "[[transcript]]\nkind = 'srt'\npattern = 'x'", "kind 'srt'; known are lines"),
        (
            MINIMAL + "[[transcript]]\nkind = 'table'\npattern = 'x'\ntext_column = '2'",
            "text_column = '2' must be a whole number",
        ),
        (
            MINIMAL + "[[transcript]]\nkind = 'lines'\npattern = '{folder}/{chapter}.txt'",
            "uses {chapter}, which not every [audio] pattern has",
        ),
        (MINIMAL + "[[alignment]]\nfile = 'x'", "[[alignment]] has an unknown entry 'file'"),
        (MINIMAL + "[[alignment]]\npattern = '{x}'", "[[alignment]] pattern '{x}' uses {x}"),
        (MINIMAL + "[[labels]]\n", "[[labels]] needs a file, or a folder"),
        (MINIMAL + "[parts.a]\nurl = 'x'", "[parts.a] lacks 'sha256'"),
        (MINIMAL + "[parts]\na = 'x'", "[parts.a] must be a section"),
        (MINIMAL + "[[speakers.table]]\nheader = 'no'", "header = 'no' must be true or false"),
    ],
)
def test_mistakes_get_one_clear_line(tmp_path: Path, text: str, complaint: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: ")
    assert complaint in message
    assert "\n" not in message


def test_the_example_in_the_documentation_is_a_recipe(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "recipes.md").read_text(encoding="utf-8")
    example, parts = page.split("```toml\n")[1:]
    recipe = load_recipe(write(tmp_path, example.split("```")[0] + parts.split("```")[0]))
    assert recipe.name == "mine"
    assert [source.kind for source in recipe.transcripts] == ["lines", "beside"]
    assert recipe.parts["dev-clean"] == load_recipe("librispeech").parts["dev-clean"]


def test_unknown_names_and_files(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no recipe named 'timid'.*librispeech.*\.toml"):
        load_recipe("timid")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(str(tmp_path / "none.toml"))
    (tmp_path / "latin.toml").write_bytes(MINIMAL.replace("me", "Zoë").encode("latin-1"))
    with pytest.raises(RecipeError, match="not UTF-8"):
        load_recipe(str(tmp_path / "latin.toml"))


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_audio_is_found_in_order_of_path_without_hidden_files(tmp_path: Path) -> None:
    recipe = load_recipe("generic")
    touch(
        tmp_path,
        "b/2.wav",
        "b/1.flac",
        "a/x y.WAV",
        "a/._x y.WAV",
        ".git/a/1.wav",
        "a/1.mp3",
        "a/1.doc",
    )
    found = [(p.relative_to(tmp_path).as_posix(), f) for p, f in find_audio(recipe, tmp_path)]
    assert found == [
        ("a/1.mp3", {"speaker": "a", "utterance": "1"}),
        ("a/x y.WAV", {"speaker": "a", "utterance": "x y"}),
        ("b/1.flac", {"speaker": "b", "utterance": "1"}),
        ("b/2.wav", {"speaker": "b", "utterance": "2"}),
    ]


def test_links_to_folders_are_followed_and_loops_are_not(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/anna/1.wav", "corpus/bo/2.wav")
    (tmp_path / "corpus" / "anna").symlink_to(tmp_path / "elsewhere" / "anna")
    (tmp_path / "corpus" / "bo" / "again").symlink_to(tmp_path / "corpus")
    (tmp_path / "corpus" / "bo" / "broken.wav").symlink_to(tmp_path / "nothing")
    found = [path.name for path, _ in find_audio(load_recipe("generic"), tmp_path / "corpus")]
    assert found == ["1.wav", "2.wav", "broken.wav"]  # a link to nothing is reported


def test_a_recipe_from_a_file_scans_its_layout(tmp_path: Path, make_corpus) -> None:
    root = make_corpus(tmp_path / "corpus", {"anna": 200.0})
    recipe = load_recipe(write(tmp_path, MINIMAL.replace(".wav", ".flac")))
    found = scan(recipe, root)
    assert not found.recordings  # the recipe names neither transcripts nor alignments
    assert "looked for nothing" in found.problems[0].reason

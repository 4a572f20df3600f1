"""File names from URLs and Content-Disposition headers."""

import pytest

from sealift.backends.http.filenames import of_disposition, of_path


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("model.onnx", "model.onnx"),
        ("a/b/model.onnx", "model.onnx"),
        ("a/my%20model%2B.onnx", "my model+.onnx"),
        ("a/mod%C3%A8le", "modèle"),
        ("a/modèle", "modèle"),
        ("a/%e9t%e9", "%e9t%e9"),
        ("a+b", "a+b"),
        ("", None),
        ("a/", None),
        ("..", None),
        ("a/%2E%2e", None),
        ("a/.", None),
        ("a/%2e%2e%2fetc%2fpasswd", "passwd"),
        ("a%2f", None),
        ("a/..%5C..%5Cboot.ini", "boot.ini"),
        ("a/%00", None),
        ("a/x%0d%0a%00%1b%7f%c2%85y", "xy"),
        ("a/\ud800", None),
        (".sealift", None),
        (".hidden", ".hidden"),
    ],
)
def test_by_the_path(path: str, name: str | None) -> None:
    assert of_path(path) == name


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("", None),
        ("attachment", None),
        ("attachment; filename=model.onnx", "model.onnx"),
        ("attachment;filename=model.onnx;size=3", "model.onnx"),
        ('inline; FileName = "model.onnx"', "model.onnx"),
        ('attachment; filename="my model; 2.onnx"; x=y', "my model; 2.onnx"),
        ("attachment; filename=my model.onnx ; x=y", "my model.onnx"),
        (r'attachment; filename="a \"b\" c"', 'a "b" c'),
        (r'attachment; filename="C:\models\m.onnx"', "m.onnx"),
        (r'attachment; filename="..\\..\\m.onnx"', "m.onnx"),
        ('attachment; filename="/etc/passwd"', "passwd"),
        ('attachment; filename="../../m"', "m"),
        ('attachment; filename=".."', None),
        ('attachment; filename="a/.."', None),
        ('attachment; filename="m/"', None),
        ('attachment; filename=""', None),
        ('attachment; filename=".sealift"', None),
        ('attachment; filename=" \t"', None),
        ("attachment; filename*=UTF-8''mod%C3%A8le.onnx", "modèle.onnx"),
        ("attachment; filename=x; filename*=utf-8'fr'mod%C3%A8le", "modèle"),
        ("attachment; filename*=iso-8859-1''mod%e8le; filename=x", "modèle"),
        ("attachment; filename*=UTF-8''..%2F..%2Fm", "m"),
        ("attachment; filename*=UTF-8''a%00%0Ab", "ab"),
        ("attachment; filename*=UTF-8''..; filename=x", "x"),
        ("attachment; filename*=UTF-8''%e8; filename=x", "x"),
        ("attachment; filename*=utf-16''%00x; filename=x", "x"),
        ("attachment; filename*=nonsense; filename=x", "x"),
        ("attachment; filename=first; filename=second", "first"),
        ('attachment; filename="unclosed', None),
        ("attachment; name=x", None),
    ],
)
def test_by_the_content_disposition(header: str, name: str | None) -> None:
    assert of_disposition(header) == name


def test_what_servers_send_as_utf_8() -> None:
    assert of_disposition('attachment; filename="modèle"'.encode().decode("latin-1")) == "modèle"
    assert of_disposition('attachment; filename="modèle"') == "modèle"

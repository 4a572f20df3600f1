"""Failures to sign in to Amazon: one line, the right exit code, and no secret."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sealift.cli import exit_codes
from tests.api.servers import Asked, FakeS3, Reply

from .program import run

SECRET = "the-secret-of-the-sign-in"
NOWHERE = "http://127.0.0.1:1"
SSO = f"""
[profile sso]
sso_session = corp
sso_account_id = 111122223333
sso_role_name = reader
region = us-east-1
[sso-session corp]
sso_region = us-east-1
sso_start_url = https://corp.awsapps.com/start
sso_registration_scopes = sso:account:access
[profile legacy]
sso_start_url = https://corp.awsapps.com/start
sso_region = us-east-1
sso_account_id = 111122223333
sso_role_name = reader
region = us-east-1
[profile base]
aws_access_key_id = AKIABASE
aws_secret_access_key = {SECRET}
[profile role]
role_arn = arn:aws:iam::123456789012:role/reader
source_profile = base
region = us-east-1
[profile process]
credential_process = /bin/sh -c "echo not signed in, token={SECRET} >&2; exit 1"
region = us-east-1
"""
LONG_AGO, LATER = "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"
ROLE = {
    "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/pod", "AWS_WEB_IDENTITY_TOKEN_FILE": "TOKEN",
    "AWS_REGION": "us-east-1",
}  # fmt: skip


def sign_in(home: Path, name: str, until: str) -> None:
    """Write the token that `aws sso login` stores."""
    cache = home / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    token = {
        "startUrl": "https://corp.awsapps.com/start", "region": "us-east-1", "accessToken": SECRET, "expiresAt": until,
        "clientId": "client", "clientSecret": SECRET, "registrationExpiresAt": LATER, "refreshToken": SECRET,
    }  # fmt: skip
    (cache / f"{hashlib.sha1(name.encode()).hexdigest()}.json").write_text(json.dumps(token))


def sts_error(code: str, message: str, status: int = 403) -> Reply:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    body = f"<ErrorResponse>{error}<RequestId>R1</RequestId></ErrorResponse>"
    return Reply(status, body.encode(), {"x-amzn-RequestId": "R1", "Content-Type": "text/xml"})


def json_error(code: str, message: str, status: int) -> Reply:
    headers = {"x-amzn-ErrorType": code, "x-amzn-RequestId": "R1", "Content-Type": "application/json"}
    return Reply(status, json.dumps({"message": message}).encode(), headers)


def failing(home: Path, environ: Mapping[str, str], answer: Callable[[Asked], Reply] | None = None) -> tuple[int, str]:
    """Run a command that has to sign in; return its exit code and its line on stderr."""
    (home / "token").write_text(SECRET)
    (home / ".aws").mkdir(exist_ok=True)
    (home / ".aws" / "config").write_text(SSO)
    with FakeS3({}, instead=answer or (lambda asked: Reply(500))) as service:
        told = {name: value.replace("SERVICE", service.endpoint) for name, value in environ.items()}
        told = {name: value.replace("TOKEN", str(home / "token")) for name, value in told.items()}
        done = run(
            "--patience", "1", "stat", "s3://models/m",
            environ={"HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"} | told,
        )  # fmt: skip
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("retrying in")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr
    return done.returncode, lines[0]


@pytest.mark.parametrize("profile", ["sso", "legacy"])
def test_nobody_is_signed_in(tmp_path: Path, profile: str) -> None:
    code, line = failing(tmp_path, {"AWS_PROFILE": profile})
    assert (code, f"run aws sso login --profile {profile}" in line) == (exit_codes.ACCESS_DENIED, True), line


@pytest.mark.parametrize(("profile", "name"), [("sso", "corp"), ("legacy", "https://corp.awsapps.com/start")])
def test_the_login_has_expired(tmp_path: Path, profile: str, name: str) -> None:
    sign_in(tmp_path, name, LONG_AGO)
    environ = {"AWS_PROFILE": profile, "AWS_ENDPOINT_URL_SSO_OIDC": "SERVICE", "AWS_ENDPOINT_URL_SSO": "SERVICE"}
    code, line = failing(tmp_path, environ, lambda asked: json_error("InvalidGrantException", "it has expired", 400))
    assert (code, f"run aws sso login --profile {profile}" in line) == (exit_codes.ACCESS_DENIED, True), line


def test_a_role_that_sso_does_not_give(tmp_path: Path) -> None:
    sign_in(tmp_path, "corp", LATER)
    environ = {"AWS_PROFILE": "sso", "AWS_ENDPOINT_URL_SSO": "SERVICE"}
    code, line = failing(tmp_path, environ, lambda asked: json_error("ForbiddenException", "No access", 403))
    assert code == exit_codes.ACCESS_DENIED
    assert "GetRoleCredentials was refused: ForbiddenException: No access" in line


NOT_AUTHORIZED = "User: arn:aws:iam::1:user/x is not authorized to perform: sts:AssumeRole on resource: a:role"


@pytest.mark.parametrize(
    ("environ", "reply", "code", "text"),
    [
        ({"AWS_PROFILE": "role"}, sts_error("AccessDenied", NOT_AUTHORIZED), exit_codes.ACCESS_DENIED, NOT_AUTHORIZED),
        (
            {"AWS_PROFILE": "role"},
            sts_error("ValidationError", "1 validation error: roleArn", 400),
            exit_codes.USAGE,
            "AssumeRole was refused: ValidationError: 1 validation error: roleArn",
        ),
        (
            ROLE,
            sts_error("ExpiredTokenException", "Token expired: current date must be before the expiration", 400),
            exit_codes.ACCESS_DENIED,
            "AssumeRoleWithWebIdentity was refused: ExpiredTokenException: Token expired",
        ),
        ({"AWS_PROFILE": "role"}, sts_error("InternalFailure", "oops", 500), exit_codes.FAILURE, "Failure: oops"),
        ({"AWS_PROFILE": "role"}, Reply(200, b"no XML"), exit_codes.ACCESS_DENIED, "no XML"),
    ],
    ids=["refused", "no such role", "expired token", "busy", "not STS"],
)
def test_a_role(tmp_path: Path, environ: dict[str, str], reply: Reply, code: int, text: str) -> None:
    found, line = failing(tmp_path, environ | {"AWS_ENDPOINT_URL_STS": "SERVICE"}, lambda asked: reply)
    assert found == code, line
    if reply.status != 200:
        assert text in line
        assert "[x-amzn-requestid R1]" in line


@pytest.mark.parametrize("environ", [{"AWS_PROFILE": "role"}, ROLE], ids=["role", "web identity"])
def test_a_token_service_that_cannot_be_reached(tmp_path: Path, environ: dict[str, str]) -> None:
    code, line = failing(tmp_path, environ | {"AWS_ENDPOINT_URL_STS": NOWHERE})
    assert code == exit_codes.FAILURE
    assert "127.0.0.1:1, which provides the credentials for S3, cannot be reached" in line
    assert "given up after" in line


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [(403, exit_codes.ACCESS_DENIED, "answered 403"), (500, exit_codes.FAILURE, "answered 500")],
)
def test_a_container(tmp_path: Path, status: int, code: int, text: str) -> None:
    environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "SERVICE/v2/credentials"}
    found, line = failing(tmp_path, environ, lambda asked: Reply(status, f"token={SECRET}".encode()))
    assert (found, text in line) == (code, True), line


def test_a_program_that_fails(tmp_path: Path) -> None:
    code, line = failing(tmp_path, {"AWS_PROFILE": "process"})
    assert (code, "credential_process: not signed in" in line) == (exit_codes.ACCESS_DENIED, True), line


def test_no_metadata_service(tmp_path: Path) -> None:
    environ = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": NOWHERE}
    code, line = failing(tmp_path, environ)
    assert code == exit_codes.ACCESS_DENIED
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, use --profile, or --anonymous" in line

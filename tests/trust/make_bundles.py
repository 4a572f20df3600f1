"""Make the bundles beside this file with the package model-signing: `pip install model-signing blake3 pyOpenSSL`.

Each directory of `bundles/` is a model: the bundle `model.sig` and what it is verified with beside the files.
"""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from model_signing import hashing, signing

HERE = Path(__file__).parent / "bundles"
PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8


def key_of(path: Path, curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(curve)
    path.write_bytes(key.private_bytes(PEM, PKCS8, serialization.NoEncryption()))
    return key


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None = None,
    issuer_key: ec.EllipticCurvePrivateKey | None = None,
    *,
    ca: bool,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signing_key = issuer_key or key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2025, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=36500))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(not ca, False, False, False, False, ca, ca, False, False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
    )
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    return builder.sign(signing_key, hashes.SHA256())


def model(name: str) -> Path:
    directory = HERE / name
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "weights").mkdir(parents=True)
    (directory / "config.json").write_text('{"layers": 2}')
    (directory / "weights" / "0.bin").write_bytes(bytes(range(256)) * 10)
    (directory / "weights" / "1:2.bin").write_bytes(b"x" * 1000)
    (directory / "empty").touch()
    return directory


def sign(name: str, config: hashing.Config, curve: ec.EllipticCurve) -> None:
    directory = model(name)
    private = HERE / "private.pem"
    key = key_of(private, curve)
    (HERE / f"{name}.pub").write_bytes(
        key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    config = config.set_ignored_paths(paths=[directory / "model.sig"])
    signing.Config().use_elliptic_key_signer(private_key=private).set_hashing_config(config).sign(
        directory, directory / "model.sig"
    )
    private.unlink()


def sign_with_certificate() -> None:
    directory = model("certificate")
    private = HERE / "private.pem"
    root_key, middle_key, key = (key_of(private, ec.SECP256R1()) for _ in range(3))
    root = certificate("root", root_key, ca=True)
    middle = certificate("middle", middle_key, root, root_key, ca=True)
    leaf = certificate("signer", key, middle, middle_key, ca=False)
    paths = {}
    for name, one in (("leaf", leaf), ("middle", middle)):
        paths[name] = HERE / f"{name}.pem"
        paths[name].write_bytes(one.public_bytes(PEM))
    (HERE / "certificate.pem").write_bytes(root.public_bytes(PEM))
    signing.Config().use_certificate_signer(
        private_key=private, signing_certificate=paths["leaf"], certificate_chain=[paths["middle"]]
    ).set_hashing_config(hashing.Config().set_ignored_paths(paths=[directory / "model.sig"])).sign(
        directory, directory / "model.sig"
    )
    for path in (private, *paths.values()):
        path.unlink()


HERE.mkdir(exist_ok=True)
for hash_type, curve in (("sha256", ec.SECP256R1()), ("blake2", ec.SECP384R1()), ("blake3", ec.SECP521R1())):
    sign(f"files-{hash_type}", hashing.Config().use_file_serialization(hashing_algorithm=hash_type), curve)
    if hash_type == "blake3":  # model-signing hashes whole files then
        continue
    shards = hashing.Config().use_shard_serialization(hashing_algorithm=hash_type, shard_size=1000)
    sign(f"shards-{hash_type}", shards, curve)
sign_with_certificate()

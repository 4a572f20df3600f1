"""List with obstore, 1,000 objects at a time."""

import os

import obstore
from obstore.store import S3Store

store = S3Store("source", endpoint=os.environ["AWS_ENDPOINT_URL"], client_options={"allow_http": True})
count = 0
for chunk in obstore.list(store, prefix="many/", chunk_size=1000):
    for each in chunk:
        count += each["size"] > 0 and each["e_tag"] is not None
assert count == int(os.environ["OBJECTS"]), count

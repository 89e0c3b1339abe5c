#!/usr/bin/env python3
"""The crates of Cargo.lock as a CycloneDX 1.5 document: sbom.py Cargo.lock VERSION."""

import json
import re
import sys


def packages(lock):
    """Name, version and sum of every package that comes from the registry."""
    for block in lock.split("[[package]]")[1:]:
        fields = dict(re.findall(r'^(\w+) = "(.*)"$', block, re.M))
        if "source" in fields:
            yield fields["name"], fields["version"], fields["checksum"]


def component(name, version, checksum):
    purl = f"pkg:cargo/{name}@{version}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "hashes": [{"alg": "SHA-256", "content": checksum}],
    }


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        found = sorted(packages(file.read()))
    own = {"type": "application", "name": "dd-procmgr", "version": sys.argv[2]}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": own},
        "components": [component(*package) for package in found],
    }
    json.dump(document, sys.stdout, indent=1)
    print()


main()

#!/usr/bin/env python3
"""Prints what the oracle of invariants finds in each of two hives, as JSON: [{invariant: count}, {invariant: count}]

usage: hivecheck.py ORACLE BEFORE AFTER
"""
import importlib.util
import json
import sys

spec = importlib.util.spec_from_file_location("oracle", sys.argv[1])
oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)
print(json.dumps([oracle.check(oracle.load(path))[1].c for path in sys.argv[2:]]))

"""Writes odd.h5, HDF5 datasets that an import must refuse (40 rows, 3 classes); made with h5py 3.16.0, NumPy 2.4.6.

Run:  python3 make_odd_h5.py   (the tests read the file that is kept here and need neither)
"""
import pathlib

import h5py
import numpy

N, K = 40, 3
probabilities = numpy.full((N, K), 1 / K)
with h5py.File(pathlib.Path(__file__).with_name("odd.h5"), "w", libver=("earliest", "v110")) as file:
    file["good"] = probabilities.astype("f4")
    file["labels"] = numpy.arange(N) % K
    file["compound"] = numpy.zeros(N, dtype=[("a", "f4"), ("b", "f4"), ("c", "f4")])
    file["words"] = numpy.array(["cat", "dog"] * (N // 2), dtype=h5py.string_dtype())
    file["flags"] = numpy.arange(N) % 2 == 0
    file["complex"] = probabilities.astype("c8")
    file.create_dataset("ragged", (N,), dtype=h5py.vlen_dtype(numpy.float32))
    file["scalar"] = 3.0
    file["nothing"] = h5py.Empty("f4")
    file.create_dataset("unwritten", (N,), dtype="i4", chunks=(10,))
    partly = file.create_dataset("partly", (N,), dtype="i4", chunks=(10,))
    partly[:10] = 1  # the rest reads as 0
    file.create_dataset("lzf", data=probabilities, compression="lzf")
    layout = h5py.VirtualLayout((N, K), dtype="f8")
    layout[:] = h5py.VirtualSource("missing.h5", "p", (N, K))
    file.create_virtual_dataset("virtual", layout)
    file["loop"] = h5py.SoftLink("/loop")
    file["group/inside"] = probabilities

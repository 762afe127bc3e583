// "a.npy", "a.npz:probs", "a.h5:/group/data", "a.csv:label": a file, and what in it.
#pragma once

#include <string>
#include <string_view>

namespace calsweep::imported {

enum class FileKind { Npy, Npz, Hdf5, Csv };

struct FileReference {
  FileKind kind = FileKind::Npy;
  std::string file;    ///< as declared
  std::string inside;  ///< key, dataset or columns; may be empty
};

/// What is wrong with a reference, or "". Looks at no file.
std::string problem_of_reference(std::string_view text);
/// Of a reference without problems.
FileReference parse_reference(std::string_view text);

}  // namespace calsweep::imported

// Arrays of numbers in files of other programs, read front to back in blocks of rows.
//
// One reader per kind of file; each refuses what it cannot read exactly, naming the file and what
// to do. Nothing is ever guessed, and no file is held in memory as a whole, with one exception: a
// Fortran-ordered array inside an .npz, up to 256 MiB.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sweeps/imported/file_reference.hpp"

namespace calsweep::imported {

/// What a file stores. Text: decimal numbers of a CSV file.
enum class NumberKind { Float16, Float32, Float64, Integer, Text };

struct ArrayDescription {
  std::string name;  ///< "a.npz:probs", for messages
  NumberKind kind = NumberKind::Float32;
  std::vector<std::int64_t> shape;  ///< one or two sizes; rows = -1 until a CSV file is read
};

class ArrayReader {
 public:
  virtual ~ArrayReader() = default;
  const ArrayDescription& description() const { return description_; }
  const std::string& name() const { return description_.name; }

  /// Up to `max_rows` (> 0) further rows, row-major; none at the end. Reals widen exactly; integers
  /// beyond int64 become its ends. Throws FormatError for damage, IoError if it cannot be read.
  virtual std::size_t read(std::size_t max_rows, std::vector<double>& values) = 0;
  virtual std::size_t read(std::size_t max_rows, std::vector<std::int64_t>& values) = 0;
  /// "row 17 (from 0)", for messages.
  virtual std::string row_text(std::int64_t row) const;

 protected:
  ArrayDescription description_;
};

struct OpenOptions {
  std::filesystem::path folder;  ///< where relative names start
  std::optional<bool> header;    ///< of a CSV file
  /// CSV only: a column of the same file that holds labels, so is no output.
  std::string other_column;
};

/// Throws FormatError for a file that is missing or not what its name says.
std::unique_ptr<ArrayReader> open_array(const FileReference& reference, const OpenOptions& options);

std::unique_ptr<ArrayReader> open_npy(const std::filesystem::path& file, std::string name);
std::unique_ptr<ArrayReader> open_npz(const std::filesystem::path& file, const std::string& key,
                                      std::string name);
std::unique_ptr<ArrayReader> open_hdf5(const std::filesystem::path& file,
                                       const std::string& dataset, std::string name);
std::unique_ptr<ArrayReader> open_csv(const std::filesystem::path& file, const std::string& columns,
                                      const OpenOptions& options, std::string name);

/// Throws FormatError unless the shape is one or two sizes that are positive and whose product a
/// file can hold.
void check_shape(const ArrayDescription& description);

}  // namespace calsweep::imported

// NumPy's .npy format, versions 1 to 3: the header, and its elements as numbers.
//
// Source: NEP 1 and numpy.lib.format. Refused, with what to do: pickled objects, structured,
// complex, boolean and text arrays, extended precision.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sweeps/imported/array_reader.hpp"

namespace calsweep::imported {

/// Bytes of an .npy from some place.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Exactly `size` bytes from where the last call ended; fewer only at the end.
  virtual std::size_t read(void* bytes, std::size_t size) = 0;
  /// Bytes [offset, offset + size) of the whole; false if this place cannot jump.
  virtual bool read_at(std::int64_t offset, void* bytes, std::size_t size) = 0;
  virtual std::int64_t size() const = 0;
};

struct NpyHeader {
  NumberKind kind = NumberKind::Float32;
  std::size_t element_bytes = 0;
  bool is_signed = true;
  bool swapped = false;  ///< other byte order than this machine's
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
  std::int64_t data_begin = 0;  ///< bytes before the data

  std::int64_t n_elements() const;
};

/// Reads the header; the source then stands at the data. Throws FormatError, naming `name`.
NpyHeader read_npy_header(ByteSource& source, const std::string& name);

/// The header's dictionary, e.g. "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }".
NpyHeader parse_npy_dictionary(std::string_view text, const std::string& name);

/// n elements at `bytes` as numbers.
void decode(const NpyHeader& header, const char* bytes, std::size_t n, double* values);
void decode(const NpyHeader& header, const char* bytes, std::size_t n, std::int64_t* values);

/// Reads an .npy from its source, which it owns. Throws FormatError for a wrong header or a size
/// that differs from what the header says.
std::unique_ptr<ArrayReader> read_npy(std::unique_ptr<ByteSource> source, std::string name);

}  // namespace calsweep::imported

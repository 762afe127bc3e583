// The elements of an .npy file, in either order of its axes.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "sweeps/errors.hpp"
#include "sweeps/imported/npy_format.hpp"

namespace calsweep::imported {
namespace {

template <class Stored>
Stored element(const char* bytes, bool swapped) {
  unsigned char copy[sizeof(Stored)];
  std::memcpy(copy, bytes, sizeof(Stored));
  if (swapped) std::reverse(copy, copy + sizeof(Stored));
  Stored value;
  std::memcpy(&value, copy, sizeof(Stored));
  return value;
}

/// IEEE 754 binary16.
double half_to_double(std::uint16_t bits) {
  const double sign = (bits & 0x8000U) != 0 ? -1.0 : 1.0;
  const int exponent = (bits >> 10) & 0x1F;
  const int fraction = bits & 0x3FF;
  if (exponent == 31) {
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN()
                         : sign * std::numeric_limits<double>::infinity();
  }
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

template <class Stored, class Number>
void convert(const NpyHeader& header, const char* bytes, std::size_t n, Number* values) {
  for (std::size_t i = 0; i < n; ++i) {
    const auto stored = element<Stored>(bytes + i * sizeof(Stored), header.swapped);
    if constexpr (std::is_same_v<Stored, std::uint64_t> && std::is_same_v<Number, std::int64_t>) {
      constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
      values[i] =
          stored > static_cast<std::uint64_t>(kMost) ? kMost : static_cast<std::int64_t>(stored);
    } else {
      values[i] = static_cast<Number>(stored);
    }
  }
}

template <class Number>
void convert_integers(const NpyHeader& header, const char* bytes, std::size_t n, Number* values) {
  switch (header.element_bytes) {
    case 1:
      return header.is_signed ? convert<std::int8_t>(header, bytes, n, values)
                              : convert<std::uint8_t>(header, bytes, n, values);
    case 2:
      return header.is_signed ? convert<std::int16_t>(header, bytes, n, values)
                              : convert<std::uint16_t>(header, bytes, n, values);
    case 4:
      return header.is_signed ? convert<std::int32_t>(header, bytes, n, values)
                              : convert<std::uint32_t>(header, bytes, n, values);
    default:
      return header.is_signed ? convert<std::int64_t>(header, bytes, n, values)
                              : convert<std::uint64_t>(header, bytes, n, values);
  }
}

class FileSource final : public ByteSource {
 public:
  FileSource(const std::filesystem::path& file) : name_(file.string()) {
    fd_ = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0) throw IoError(fmt::format("cannot open {}: {}", name_, std::strerror(errno)));
    struct stat status {};
    ::fstat(fd_, &status);
    size_ = status.st_size;
  }
  ~FileSource() override { ::close(fd_); }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  std::size_t read(void* bytes, std::size_t size) override {
    const std::size_t n = read_from(at_, bytes, size);
    at_ += static_cast<off_t>(n);
    return n;
  }
  bool read_at(std::int64_t offset, void* bytes, std::size_t size) override {
    if (read_from(offset, bytes, size) != size) throw FormatError(name_ + ": it ends too early");
    return true;
  }
  std::int64_t size() const override { return size_; }

 private:
  std::size_t read_from(off_t offset, void* bytes, std::size_t size) const {
    std::size_t done = 0;
    while (done < size) {
      const ssize_t n = ::pread(fd_, static_cast<char*>(bytes) + done, size - done,
                                offset + static_cast<off_t>(done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw IoError(fmt::format("cannot read {}: {}", name_, std::strerror(errno)));
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    return done;
  }

  std::string name_;
  int fd_ = -1;
  off_t at_ = 0, size_ = 0;
};

class NpyReader final : public ArrayReader {
 public:
  NpyReader(std::unique_ptr<ByteSource> source, std::string name) : source_(std::move(source)) {
    header_ = read_npy_header(*source_, name);
    description_ = {std::move(name), header_.kind, header_.shape};
    check_shape(description_);
    n_rows_ = header_.shape[0];
    columns_ = header_.shape.size() == 2 ? header_.shape[1] : 1;
    const auto element_bytes = static_cast<std::int64_t>(header_.element_bytes);
    const std::int64_t held = source_->size() - header_.data_begin;
    if (held / element_bytes == header_.n_elements() && held % element_bytes == 0) return;
    throw FormatError(fmt::format(
        "{}: its header promises {} numbers of {} bytes, but {} bytes follow it: the file is cut "
        "off or damaged",
        this->name(), header_.n_elements(), element_bytes, held));
  }

  std::size_t read(std::size_t max_rows, std::vector<double>& values) override {
    return read_block(max_rows, values);
  }
  std::size_t read(std::size_t max_rows, std::vector<std::int64_t>& values) override {
    return read_block(max_rows, values);
  }

 private:
  template <class Number>
  std::size_t read_block(std::size_t max_rows, std::vector<Number>& values) {
    const auto n = std::min(max_rows, static_cast<std::size_t>(n_rows_ - next_row_));
    const auto columns = static_cast<std::size_t>(columns_);
    values.resize(n * columns);
    if (header_.fortran_order && columns > 1) {
      read_columns(n, values);
    } else {
      bytes_.resize(values.size() * header_.element_bytes);
      if (source_->read(bytes_.data(), bytes_.size()) != bytes_.size()) {
        throw FormatError(name() + ": it ends too early");
      }
      decode(header_, bytes_.data(), values.size(), values.data());
    }
    next_row_ += static_cast<std::int64_t>(n);
    return n;
  }

  template <class Number>
  void read_columns(std::size_t n, std::vector<Number>& values) {
    const auto element_bytes = static_cast<std::int64_t>(header_.element_bytes);
    std::vector<Number> column(n);
    bytes_.resize(n * header_.element_bytes);
    for (std::int64_t c = 0; c < columns_; ++c) {
      const std::int64_t at = header_.data_begin + (c * n_rows_ + next_row_) * element_bytes;
      source_->read_at(at, bytes_.data(), bytes_.size());
      decode(header_, bytes_.data(), n, column.data());
      for (std::size_t r = 0; r < n; ++r) {
        values[r * static_cast<std::size_t>(columns_) + static_cast<std::size_t>(c)] = column[r];
      }
    }
  }

  std::unique_ptr<ByteSource> source_;
  NpyHeader header_;
  std::int64_t n_rows_ = 0, columns_ = 1, next_row_ = 0;
  std::vector<char> bytes_;
};

}  // namespace

void decode(const NpyHeader& header, const char* bytes, std::size_t n, double* values) {
  switch (header.kind) {
    case NumberKind::Float16:
      for (std::size_t i = 0; i < n; ++i) {
        values[i] = half_to_double(element<std::uint16_t>(bytes + 2 * i, header.swapped));
      }
      return;
    case NumberKind::Float32:
      return convert<float>(header, bytes, n, values);
    case NumberKind::Float64:
      return convert<double>(header, bytes, n, values);
    default:
      return convert_integers(header, bytes, n, values);
  }
}

void decode(const NpyHeader& header, const char* bytes, std::size_t n, std::int64_t* values) {
  CALSWEEP_CHECK(header.kind == NumberKind::Integer, "labels are integers");
  convert_integers(header, bytes, n, values);
}

std::unique_ptr<ArrayReader> read_npy(std::unique_ptr<ByteSource> source, std::string name) {
  return std::make_unique<NpyReader>(std::move(source), std::move(name));
}

std::unique_ptr<ArrayReader> open_npy(const std::filesystem::path& file, std::string name) {
  return read_npy(std::make_unique<FileSource>(file), std::move(name));
}

}  // namespace calsweep::imported

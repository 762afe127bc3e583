// Datasets of HDF5 files, read by rows through sweeps/hdf5.hpp.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "sweeps/errors.hpp"
#include "sweeps/hdf5.hpp"
#include "sweeps/imported/array_reader.hpp"

namespace calsweep::imported {
namespace {

hdf5::Handle open_file(const std::string& file) {
  hdf5::silence();
  try {
    return hdf5::check(H5Fopen(file.c_str(), H5F_ACC_RDONLY, hdf5::file_access().get()), "open it");
  } catch (const FormatError& error) {
    throw FormatError(fmt::format("{} is no readable HDF5 file: {}", file, error.what()));
  }
}

/// The first group on the way to `path` that lacks the next name, and what it holds instead.
std::string what_is_there(hid_t file, const std::string& path) {
  std::string group = "/";
  for (std::size_t at = 0; at < path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    const std::string next = group + path.substr(at, end - at);
    if (end > at) {
      if (!hdf5::exists(file, next)) break;
      group = next + "/";
    }
    at = end + 1;
  }
  std::vector<std::string> names;
  try {
    names = hdf5::child_names(file, group == "/" ? "/" : group.substr(0, group.size() - 1));
  } catch (const FormatError&) {
    return group + " is no group";
  }
  return fmt::format("{} holds: {}", group, fmt::join(names, ", "));
}

NumberKind kind_of(hid_t type) {
  const auto size = H5Tget_size(type);
  const auto type_class = H5Tget_class(type);
  if (type_class == H5T_INTEGER) return NumberKind::Integer;
  if (type_class == H5T_FLOAT && size == 2) return NumberKind::Float16;
  if (type_class == H5T_FLOAT && size == 4) return NumberKind::Float32;
  if (type_class == H5T_FLOAT && size == 8) return NumberKind::Float64;
  throw FormatError(
      "it holds neither float16, float32, float64 nor integers: convert it, as in "
      "array.astype(\"float32\"), labels as in array.astype(\"int64\")");
}

bool lacks_chunks(hid_t dataset, hid_t creation) {
  const auto shape = hdf5::shape_of(dataset);
  std::vector<hsize_t> chunk(shape.size());
  const int n_dimensions = static_cast<int>(chunk.size());
  if (H5Pget_chunk(creation, n_dimensions, chunk.data()) != n_dimensions) return false;
  hsize_t n_expected = 1, n_stored = 0;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    n_expected *= (shape[d] + chunk[d] - 1) / chunk[d];
  }
  const auto space = hdf5::check(H5Dget_space(dataset), "read its shape");
  hdf5::check_status(H5Dget_num_chunks(dataset, space.get(), &n_stored), "count what is stored");
  return n_stored < n_expected;
}

/// What was never written reads as zeros, which are labels, too.
void check_all_is_written(hid_t dataset) {
  const auto creation = hdf5::check(H5Dget_create_plist(dataset), "read how it is stored");
  if (H5Pget_layout(creation.get()) == H5D_VIRTUAL) {
    throw FormatError(
        "it is a virtual dataset, made of parts of other files that may be missing: copy it into "
        "one dataset");
  }
  if (H5Dget_storage_size(dataset) == 0) {
    throw FormatError("the dataset was made but never written");
  }
  if (H5Pget_layout(creation.get()) == H5D_CHUNKED && lacks_chunks(dataset, creation.get())) {
    throw FormatError("parts of the dataset were never written");
  }
}

void check_filters(hid_t dataset) {
  const auto creation = hdf5::check(H5Dget_create_plist(dataset), "read how it is stored");
  for (int i = 0; i < H5Pget_nfilters(creation.get()); ++i) {
    unsigned flags = 0;
    std::size_t n_values = 0;
    char filter_name[64] = "";
    const auto filter = H5Pget_filter2(creation.get(), static_cast<unsigned>(i), &flags, &n_values,
                                       nullptr, sizeof filter_name, filter_name, nullptr);
    if (filter >= 0 && H5Zfilter_avail(filter) > 0) continue;
    H5Eclear2(H5E_DEFAULT);
    throw FormatError(
        fmt::format("it is compressed with '{}', which this HDF5 library does not have: write it "
                    "again with gzip or uncompressed",
                    filter_name));
  }
}

class Hdf5Reader final : public ArrayReader {
 public:
  Hdf5Reader(const std::string& file, const std::string& path, std::string name) {
    description_.name = std::move(name);
    file_ = open_file(file);
    if (path.empty()) {
      throw FormatError(fmt::format("{}: say which dataset, as in \"{}:/outputs\"; {}", file, file,
                                    what_is_there(file_.get(), "")));
    }
    guarded([&] { open_dataset(path); });
    check_shape(description_);
    guarded([&] {
      check_all_is_written(dataset_.get());
      check_filters(dataset_.get());
    });
  }

  std::size_t read(std::size_t max_rows, std::vector<double>& values) override {
    return read_block(max_rows, H5T_NATIVE_DOUBLE, values);
  }
  std::size_t read(std::size_t max_rows, std::vector<std::int64_t>& values) override {
    return read_block(max_rows, H5T_NATIVE_INT64, values);
  }

 private:
  template <class Function>
  void guarded(Function function) const {
    try {
      function();
    } catch (const FormatError& error) {
      throw FormatError(fmt::format("{}: {}", name(), error.what()));
    }
  }

  void open_dataset(const std::string& path) {
    const hid_t dataset = H5Dopen2(file_.get(), path.c_str(), H5P_DEFAULT);
    if (dataset < 0) {
      H5Eclear2(H5E_DEFAULT);
      const auto holds = what_is_there(file_.get(), path);
      if (hdf5::exists(file_.get(), path) && holds.ends_with("is no group")) {
        throw FormatError(
            fmt::format("it cannot be opened: either a link that leads nowhere, or written in a "
                        "format newer than HDF5 {}",
                        hdf5::library_version()));
      }
      throw FormatError("there is no such dataset; " + holds);
    }
    dataset_ = hdf5::Handle(dataset);
    const auto type = hdf5::check(H5Dget_type(dataset_.get()), "read its type");
    description_.kind = kind_of(type.get());
    for (const auto size : hdf5::shape_of(dataset_.get())) {
      description_.shape.push_back(static_cast<std::int64_t>(std::min<hsize_t>(size, INT64_MAX)));
    }
  }

  template <class Number>
  std::size_t read_block(std::size_t max_rows, hid_t type, std::vector<Number>& values) {
    const auto left = static_cast<std::size_t>(description_.shape[0] - next_row_);
    const auto n = std::min(max_rows, left);
    values.resize(
        n * static_cast<std::size_t>(description_.shape.size() == 2 ? description_.shape[1] : 1));
    guarded([&] {
      hdf5::read_rows(dataset_.get(), type, static_cast<hsize_t>(next_row_), n, values.data());
    });
    next_row_ += static_cast<std::int64_t>(n);
    return n;
  }

  hdf5::Handle file_, dataset_;
  std::int64_t next_row_ = 0;
};

}  // namespace

std::unique_ptr<ArrayReader> open_hdf5(const std::filesystem::path& file,
                                       const std::string& dataset, std::string name) {
  return std::make_unique<Hdf5Reader>(file.string(), dataset, std::move(name));
}

}  // namespace calsweep::imported

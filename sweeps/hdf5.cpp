#include "sweeps/hdf5.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <vector>

#include "sweeps/errors.hpp"

namespace calsweep::hdf5 {
namespace {

herr_t keep_innermost(unsigned, const H5E_error2_t* entry, void* text) {
  *static_cast<std::string*>(text) = entry->desc != nullptr ? entry->desc : "";
  return 0;
}

// The innermost entry of the error stack says why; the outer ones only repeat the call chain.
std::string reason() {
  std::string text;
  H5Ewalk2(
      H5E_DEFAULT, H5E_WALK_UPWARD,
      [](unsigned depth, const H5E_error2_t* entry, void* out) -> herr_t {
        return depth == 0 ? keep_innermost(depth, entry, out) : 0;
      },
      &text);
  H5Eclear2(H5E_DEFAULT);
  return text.empty() ? "unknown HDF5 error" : text;
}

void write_scalar(hid_t object, const std::string& name, hid_t type, const void* value) {
  const std::string what = fmt::format("write the attribute '{}'", name);
  const Handle space = check(H5Screate(H5S_SCALAR), what);
  const Handle attribute =
      check(H5Acreate2(object, name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT), what);
  check_status(H5Awrite(attribute.get(), type, value), what);
}

void read_scalar(hid_t object, const std::string& name, hid_t type, void* value) {
  const std::string what = fmt::format("read the attribute '{}'", name);
  const Handle attribute = check(H5Aopen(object, name.c_str(), H5P_DEFAULT), what);
  const Handle space = check(H5Aget_space(attribute.get()), what);
  if (H5Sget_simple_extent_npoints(space.get()) != 1) {
    throw FormatError(what + ": it is not a single value");
  }
  check_status(H5Aread(attribute.get(), type, value), what);
}

// Of variable length and UTF-8, which h5py and others read as a text, not as bytes.
Handle text_type() {
  Handle type = check(H5Tcopy(H5T_C_S1), "make a text type");
  check_status(H5Tset_size(type.get(), H5T_VARIABLE), "size a text");
  check_status(H5Tset_cset(type.get(), H5T_CSET_UTF8), "mark a text as UTF-8");
  return type;
}

Handle chunked(std::span<const hsize_t> shape, std::size_t element_bytes) {
  Handle list = check(H5Pcreate(H5P_DATASET_CREATE), "set up a dataset");
  std::vector<hsize_t> chunk(shape.begin(), shape.end());
  hsize_t row_bytes = element_bytes;
  for (std::size_t i = 1; i < shape.size(); ++i) row_bytes *= shape[i];
  constexpr hsize_t kChunkBytes = 1 << 20;
  chunk[0] = std::clamp<hsize_t>(kChunkBytes / std::max<hsize_t>(row_bytes, 1), 1, shape[0]);
  check_status(H5Pset_chunk(list.get(), static_cast<int>(chunk.size()), chunk.data()),
               "set the chunk size");
  check_status(H5Pset_fletcher32(list.get()), "switch on checksums");
  return list;
}

// Without times: the same content gives the same bytes.
void forget_times(hid_t creation) {
  check_status(H5Pset_obj_track_times(creation, false), "set up a dataset");
}

struct RowSelection {
  Handle file_space, memory_space;
};

RowSelection select_rows(hid_t dataset, hsize_t first, hsize_t n, const std::string& what) {
  RowSelection selection{check(H5Dget_space(dataset), what), {}};
  auto count = shape_of(dataset);
  if (count.empty() || count.size() > 2) throw FormatError(what + ": it has no rows");
  std::vector<hsize_t> start(count.size(), 0);
  start[0] = first;
  count[0] = n;
  check_status(H5Sselect_hyperslab(selection.file_space.get(), H5S_SELECT_SET, start.data(),
                                   nullptr, count.data(), nullptr),
               what);
  selection.memory_space =
      check(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr), what);
  return selection;
}

herr_t collect_name(hid_t, const char* name, const H5L_info_t*, void* out) {
  static_cast<std::vector<std::string>*>(out)->emplace_back(name);
  return 0;
}

// A damaged shape must not make us ask for more memory than the file could fill: nothing of ours is
// compressed, so every element is there.
void check_is_stored(hid_t dataset, std::size_t points, const std::string& what) {
  const Handle type = check(H5Dget_type(dataset), what);
  const std::size_t element_bytes = H5Tget_size(type.get());
  if (element_bytes == 0) throw FormatError(fmt::format("cannot {}: it has no type", what));
  if (points > H5Dget_storage_size(dataset) / element_bytes) {
    throw FormatError(
        fmt::format("cannot {}: it claims {} elements and holds fewer", what, points));
  }
}

}  // namespace

Handle& Handle::operator=(Handle&& other) noexcept {
  if (this != &other) {
    reset();
    id_ = std::exchange(other.id_, H5I_INVALID_HID);
  }
  return *this;
}

void Handle::close() {
  if (id_ < 0) return;
  const hid_t id = std::exchange(id_, H5I_INVALID_HID);
  const herr_t status = H5Iget_type(id) == H5I_FILE ? H5Fclose(id) : H5Idec_ref(id);
  check_status(status, "close an HDF5 object");
}

void Handle::reset() noexcept {
  if (id_ >= 0) H5Idec_ref(id_);  // every kind of object is closed by its last reference
  id_ = H5I_INVALID_HID;
}

Handle check(hid_t id, const std::string& what) {
  if (id < 0) throw FormatError(fmt::format("cannot {}: {}", what, reason()));
  return Handle(id);
}

void check_status(herr_t status, const std::string& what) {
  if (status < 0) throw FormatError(fmt::format("cannot {}: {}", what, reason()));
}

std::string library_version() {
  unsigned major = 0, minor = 0, release = 0;
  check_status(H5get_libversion(&major, &minor, &release), "ask for the version");
  return fmt::format("{}.{}.{}", major, minor, release);
}

void silence() { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

Handle file_access() {
  Handle list = check(H5Pcreate(H5P_FILE_ACCESS), "set up file access");
  check_status(H5Pset_file_locking(list.get(), false, true), "switch off file locking");
  check_status(H5Pset_fclose_degree(list.get(), H5F_CLOSE_STRONG), "set up closing");
  return list;
}

void write_text(hid_t object, const std::string& name, const std::string& value) {
  const Handle type = text_type();
  const char* text = value.c_str();
  write_scalar(object, name, type.get(), &text);
}

void write_integer(hid_t object, const std::string& name, std::int64_t value) {
  write_scalar(object, name, H5T_NATIVE_INT64, &value);
}

void write_real(hid_t object, const std::string& name, double value) {
  write_scalar(object, name, H5T_NATIVE_DOUBLE, &value);
}

std::string read_text(hid_t object, const std::string& name) {
  const Handle type = text_type();
  char* text = nullptr;
  read_scalar(object, name, type.get(), &text);
  std::string value = text == nullptr ? "" : text;
  check_status(H5free_memory(text), "free a text");
  return value;
}

std::int64_t read_integer(hid_t object, const std::string& name) {
  std::int64_t value = 0;
  read_scalar(object, name, H5T_NATIVE_INT64, &value);
  return value;
}

double read_real(hid_t object, const std::string& name) {
  double value = 0;
  read_scalar(object, name, H5T_NATIVE_DOUBLE, &value);
  return value;
}

Handle create_dataset(hid_t parent, const std::string& name, hid_t type,
                      std::span<const hsize_t> shape) {
  const std::string what = fmt::format("write the dataset '{}'", name);
  const Handle space =
      check(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), what);
  const bool empty = std::any_of(shape.begin(), shape.end(), [](hsize_t n) { return n == 0; });
  const Handle creation =
      empty ? check(H5Pcreate(H5P_DATASET_CREATE), what) : chunked(shape, H5Tget_size(type));
  forget_times(creation.get());
  const Handle links = check(H5Pcreate(H5P_LINK_CREATE), what);
  check_status(H5Pset_create_intermediate_group(links.get(), 1), what);
  return check(
      H5Dcreate2(parent, name.c_str(), type, space.get(), links.get(), creation.get(), H5P_DEFAULT),
      what);
}

void write_dataset(hid_t parent, const std::string& name, hid_t type,
                   std::span<const hsize_t> shape, const void* data) {
  const Handle dataset = create_dataset(parent, name, type, shape);
  if (std::any_of(shape.begin(), shape.end(), [](hsize_t n) { return n == 0; })) return;
  check_status(H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data),
               fmt::format("write the dataset '{}'", name));
}

std::size_t open_dataset(hid_t parent, const std::string& name, Handle& dataset) {
  const std::string what = fmt::format("read the dataset '{}'", name);
  dataset = check(H5Dopen2(parent, name.c_str(), H5P_DEFAULT), what);
  const Handle space = check(H5Dget_space(dataset.get()), what);
  const auto points = H5Sget_simple_extent_npoints(space.get());
  if (points < 0) throw FormatError(fmt::format("cannot {}: {}", what, reason()));
  check_is_stored(dataset.get(), static_cast<std::size_t>(points), what);
  return static_cast<std::size_t>(points);
}

std::vector<hsize_t> shape_of(hid_t dataset) {
  const Handle space = check(H5Dget_space(dataset), "read a shape");
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if (rank < 0) throw FormatError("cannot read a shape: " + reason());
  std::vector<hsize_t> shape(static_cast<std::size_t>(rank));
  if (rank > 0) H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr);
  return shape;
}

void write_rows(hid_t dataset, hid_t type, hsize_t first, hsize_t n, const void* data) {
  if (n == 0) return;
  const auto rows = select_rows(dataset, first, n, "write rows");
  check_status(
      H5Dwrite(dataset, type, rows.memory_space.get(), rows.file_space.get(), H5P_DEFAULT, data),
      "write rows");
}

void read_rows(hid_t dataset, hid_t type, hsize_t first, hsize_t n, void* data) {
  if (n == 0) return;
  const auto rows = select_rows(dataset, first, n, "read rows");
  check_status(
      H5Dread(dataset, type, rows.memory_space.get(), rows.file_space.get(), H5P_DEFAULT, data),
      "read rows");
}

std::vector<std::string> child_names(hid_t parent, const std::string& group) {
  std::vector<std::string> names;
  if (!exists(parent, group)) return names;
  const auto handle =
      check(H5Gopen2(parent, group.c_str(), H5P_DEFAULT), "open the group '" + group + "'");
  check_status(H5Literate(handle.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, collect_name, &names),
               "list the group '" + group + "'");
  return names;
}

bool exists(hid_t parent, const std::string& name) {
  return H5Lexists(parent, name.c_str(), H5P_DEFAULT) > 0;
}

}  // namespace calsweep::hdf5

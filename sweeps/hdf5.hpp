// A thin RAII layer over the HDF5 C API: handles that close themselves, calls that throw.
//
// Every failure becomes an exception with HDF5's own error stack in its text; the library never
// prints. Only unit_file_*.cpp and the import of HDF5 files include this.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace calsweep::hdf5 {

/// Owns one hid_t of any kind and closes it by its type.
class Handle {
 public:
  Handle() = default;
  explicit Handle(hid_t id) : id_(id) {}
  ~Handle() { reset(); }
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&& other) noexcept;
  hid_t get() const { return id_; }
  /// Closes now; throws FormatError/IoError text via check() if HDF5 reports failure.
  void close();

 private:
  void reset() noexcept;
  hid_t id_ = H5I_INVALID_HID;
};

/// Throws FormatError "<what>: <HDF5's reason>" for a negative result; else returns it as a handle.
Handle check(hid_t id, const std::string& what);
/// The same for calls that return a status.
void check_status(herr_t status, const std::string& what);

/// Silences HDF5's own printing for the process; called wherever unit files are opened.
void silence();

/// "1.10.8".
std::string library_version();

/// File access without HDF5's own locking, which shared file systems often refuse.
Handle file_access();

void write_text(hid_t object, const std::string& name, const std::string& value);
void write_integer(hid_t object, const std::string& name, std::int64_t value);
void write_real(hid_t object, const std::string& name, double value);
std::string read_text(hid_t object, const std::string& name);
std::int64_t read_integer(hid_t object, const std::string& name);
double read_real(hid_t object, const std::string& name);

/// Row-major dataset with Fletcher-32 checked chunks of whole rows, about 1 MiB each; missing
/// groups on the way to `name` are made. An empty dataset is stored contiguously.
void write_dataset(hid_t parent, const std::string& name, hid_t type,
                   std::span<const hsize_t> shape, const void* data);
/// The same, to be filled by write_rows().
Handle create_dataset(hid_t parent, const std::string& name, hid_t type,
                      std::span<const hsize_t> shape);
/// Number of elements of a dataset; opens it into `dataset`.
std::size_t open_dataset(hid_t parent, const std::string& name, Handle& dataset);

/// The sizes of a dataset's dimensions.
std::vector<hsize_t> shape_of(hid_t dataset);
/// Whole rows [first, first + n) of a dataset of one or two dimensions, row-major in memory.
void write_rows(hid_t dataset, hid_t type, hsize_t first, hsize_t n, const void* data);
void read_rows(hid_t dataset, hid_t type, hsize_t first, hsize_t n, void* data);

/// Names of what lies in a group, sorted; none if there is no such group.
std::vector<std::string> child_names(hid_t parent, const std::string& group);

bool exists(hid_t parent, const std::string& name);

}  // namespace calsweep::hdf5

// Writing a unit file: as *.partial, sealed, renamed into place.
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sweeps/errors.hpp"
#include "sweeps/hdf5.hpp"
#include "sweeps/run_directory.hpp"
#include "sweeps/unit_file.hpp"
#include "sweeps/unit_file_block.hpp"
#include "sweeps/unit_file_layout.hpp"

namespace calsweep {

struct UnitFileWriter::Impl {
  /// The set that is being filled block by block.
  struct OpenSet {
    hdf5::Handle dataset;
    hsize_t columns = 1, n_rows = 0, n_written = 0;
  };

  fs::path path, partial;
  std::int64_t n_classes = 0;
  Outputs outputs = Outputs::Logits;
  hdf5::Handle file;
  bool sealed = false;
  OpenSet open;

  std::string group_of_outputs() const { return std::string(to_string(outputs)) + "/"; }

  // HDF5 says "errno = 28" somewhere in a long line. A full disk is no damaged file.
  template <class Function>
  auto guarded(Function function) const {
    try {
      return function();
    } catch (const FormatError& error) {
      const std::string text = error.what();
      const auto at = text.find("errno = ");
      if (at == std::string::npos) throw;
      const int code = std::atoi(text.c_str() + at + 8);
      throw IoError(
          fmt::format("cannot write {}: {}; check that the directory exists, is writable "
                      "and has room",
                      partial.string(), std::strerror(code)));
    }
  }

  void begin(const std::string& name, hid_t type, std::int64_t n_rows, bool is_matrix) {
    CALSWEEP_CHECK(open.n_written == open.n_rows, "the set before is not complete");
    CALSWEEP_CHECK(n_rows >= 0, "a set has rows");
    std::vector<hsize_t> shape = {static_cast<hsize_t>(n_rows)};
    if (is_matrix) shape.push_back(static_cast<hsize_t>(n_classes));
    guarded([&] {
      open = {hdf5::create_dataset(file.get(), name, type, shape), is_matrix ? shape[1] : 1,
              shape[0], 0};
    });
  }

  void append(hid_t type, std::size_t n_values, const void* data) {
    CALSWEEP_CHECK(n_values % open.columns == 0, "blocks are made of whole rows");
    const hsize_t n = n_values / open.columns;
    CALSWEEP_CHECK(n <= open.n_rows - open.n_written, "more rows than the set was begun with");
    guarded([&] { hdf5::write_rows(open.dataset.get(), type, open.n_written, n, data); });
    open.n_written += n;
  }
};

UnitFileWriter::UnitFileWriter(fs::path path, const UnitFileHeader& header)
    : impl_(std::make_unique<Impl>()) {
  hdf5::silence();
  impl_->path = path;
  impl_->partial = path;
  // Named by attempt: a superseded trainer that still writes must not share the file of its
  // successor.
  impl_->partial += fmt::format(".{}.partial", header.attempt);
  impl_->n_classes = header.n_classes;
  impl_->outputs = header.outputs;
  CALSWEEP_CHECK(header.n_classes > 0, "a unit file needs the number of classes");
  const auto creation = hdf5::check(H5Pcreate(H5P_FILE_CREATE), "set up a file");
  hdf5::check_status(H5Pset_userblock(creation.get(), kUserBlockBytes), "reserve the header");
  const hid_t id =
      H5Fcreate(impl_->partial.c_str(), H5F_ACC_TRUNC, creation.get(), hdf5::file_access().get());
  if (id < 0) {
    throw IoError(
        fmt::format("cannot create {}: {}; check that the directory exists, is writable "
                    "and has room",
                    impl_->partial.string(), std::strerror(errno)));
  }
  impl_->file = hdf5::Handle(id);
  impl_->guarded([&] {
    write_header(id, header);
    for (const char* group : {"labels", "trials"}) {
      hdf5::check(H5Gcreate2(id, group, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), "make a group");
    }
  });
}

UnitFileWriter::~UnitFileWriter() {
  if (!impl_ || impl_->sealed) return;
  impl_->file = hdf5::Handle();
  std::error_code ignored;
  fs::remove(impl_->partial, ignored);
}

void UnitFileWriter::add_labels(const std::string& set, std::span<const std::int32_t> labels) {
  for (const auto label : labels) {
    CALSWEEP_CHECK(label >= 0 && label < impl_->n_classes, "a label is out of range");
  }
  const hsize_t shape[] = {labels.size()};
  impl_->guarded([&] {
    hdf5::write_dataset(impl_->file.get(), "labels/" + set, H5T_NATIVE_INT32, shape, labels.data());
  });
}

void UnitFileWriter::add_trial(const TrialRecord& trial) {
  impl_->guarded([&] { write_trial(trial); });
}

void UnitFileWriter::write_trial(const TrialRecord& trial) {
  const auto group = hdf5::check(H5Gcreate2(impl_->file.get(), ("trials/" + trial.id.str()).c_str(),
                                            H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                                 "add trial " + trial.id.str());
  write_trial_attributes(group.get(), trial);
  write_epochs(group.get(), trial.epochs);
  for (const auto& set : trial.logits) {
    const auto columns = static_cast<std::size_t>(impl_->n_classes);
    CALSWEEP_CHECK(set.logits.size() % columns == 0, "logits are not [rows, n_classes]");
    const hsize_t shape[] = {set.logits.size() / columns, columns};
    hdf5::write_dataset(group.get(), impl_->group_of_outputs() + set.name, H5T_NATIVE_FLOAT, shape,
                        set.logits.data());
  }
}

void UnitFileWriter::begin_labels(const std::string& set, std::int64_t n_rows) {
  impl_->begin("labels/" + set, H5T_NATIVE_INT32, n_rows, false);
}

void UnitFileWriter::append_labels(std::span<const std::int32_t> labels) {
  for (const auto label : labels) {
    CALSWEEP_CHECK(label >= 0 && label < impl_->n_classes, "a label is out of range");
  }
  impl_->append(H5T_NATIVE_INT32, labels.size(), labels.data());
}

void UnitFileWriter::begin_outputs(const TrialId& id, const std::string& set, std::int64_t n_rows,
                                   bool float64) {
  impl_->begin("trials/" + id.str() + "/" + impl_->group_of_outputs() + set,
               float64 ? H5T_NATIVE_DOUBLE : H5T_NATIVE_FLOAT, n_rows, true);
}

void UnitFileWriter::append_outputs(std::span<const float> rows) {
  impl_->append(H5T_NATIVE_FLOAT, rows.size(), rows.data());
}

void UnitFileWriter::append_outputs(std::span<const double> rows) {
  impl_->append(H5T_NATIVE_DOUBLE, rows.size(), rows.data());
}

std::string UnitFileWriter::seal() {
  CALSWEEP_CHECK(impl_->open.n_written == impl_->open.n_rows, "the last set is not complete");
  impl_->open = {};
  impl_->guarded([&] {
    hdf5::check_status(H5Fflush(impl_->file.get(), H5F_SCOPE_GLOBAL), "flush a unit file");
    impl_->file.close();
  });
  UserBlock block{format_for(impl_->outputs), checksum_behind_block(impl_->partial),
                  static_cast<std::int64_t>(fs::file_size(impl_->partial))};
  write_user_block(impl_->partial, block);
  sync_file(impl_->partial);
  std::error_code error;
  fs::rename(impl_->partial, impl_->path, error);
  if (error) {
    throw IoError(
        fmt::format("cannot rename {} into place: {}", impl_->partial.string(), error.message()));
  }
  impl_->sealed = true;
  sync_file(impl_->path);
  return block.checksum;
}

}  // namespace calsweep

// Reading a unit file: whole, or ranges of rows.
#include <fmt/core.h>

#include <algorithm>

#include "sweeps/errors.hpp"
#include "sweeps/hdf5.hpp"
#include "sweeps/unit_file.hpp"
#include "sweeps/unit_file_block.hpp"
#include "sweeps/unit_file_layout.hpp"

namespace calsweep {

namespace fs = std::filesystem;

struct UnitFileReader::Impl {
  fs::path path;
  UserBlock block;
  hdf5::Handle file;
  UnitFileHeader header;

  std::string place(const TrialId& id, const std::string& set) const {
    return fmt::format("trials/{}/{}/{}", id.hex(), to_string(header.outputs), set);
  }

  /// Sets in the group `base`/`prefix`, each named with the prefix.
  void add_sets(const std::string& base, const std::string& prefix,
                std::vector<std::string>& sets) const {
    const std::string group = base + "/" + prefix;
    for (const auto& name : hdf5::child_names(file.get(), group.substr(0, group.size() - 1))) {
      if (name != "ood" && name != "odin") sets.push_back(prefix + name);
    }
    for (const auto& name : hdf5::child_names(file.get(), group + "ood")) {
      sets.push_back(prefix + "ood/" + name);
    }
  }

  void expect(Outputs outputs) const {
    if (header.outputs == outputs) return;
    throw FormatError(
        fmt::format("it holds {}, not {}", to_string(header.outputs), to_string(outputs)));
  }

  /// Rows of the dataset `name`, converted to `type`; all of them from `first_row` on if n_rows <
  /// 0.
  template <class Number>
  std::vector<Number> rows(const std::string& name, hid_t type, hsize_t columns,
                           std::int64_t first_row, std::int64_t n_rows) const {
    hdf5::Handle dataset;
    const std::size_t n_values = hdf5::open_dataset(file.get(), name, dataset);
    const auto shape = hdf5::shape_of(dataset.get());
    const std::size_t n_dimensions = columns == 0 ? 1 : 2;
    if (shape.size() != n_dimensions || (columns != 0 && shape[1] != columns)) {
      throw FormatError("'" + name + "' does not have the shape it should");
    }
    const auto first = static_cast<hsize_t>(first_row);
    const hsize_t n = n_rows < 0 ? shape[0] : static_cast<hsize_t>(n_rows);
    CALSWEEP_CHECK(first_row >= 0 && first <= shape[0] && n <= shape[0] - first,
                   "rows that are not there");
    std::vector<Number> values(shape[0] == 0 ? 0 : n_values / shape[0] * n);
    hdf5::read_rows(dataset.get(), type, first, n, values.data());
    return values;
  }

  // HDF5's complaints name no file: add it.
  template <class Function>
  auto guarded(Function function) const {
    try {
      return function();
    } catch (const FormatError& error) {
      refuse_unit_file(path, error.what());
    }
  }
};

UnitFileReader::UnitFileReader(fs::path path, bool verify_checksum)
    : impl_(std::make_unique<Impl>()) {
  hdf5::silence();
  impl_->path = std::move(path);
  impl_->block = read_user_block(impl_->path);
  if (verify_checksum && checksum_behind_block(impl_->path) != impl_->block.checksum) {
    refuse_unit_file(impl_->path, "its content does not match its checksum");
  }
  impl_->guarded([&] {
    impl_->file = hdf5::check(
        H5Fopen(impl_->path.c_str(), H5F_ACC_RDONLY, hdf5::file_access().get()), "open it");
    impl_->header = read_header(impl_->file.get());
    if (format_for(impl_->header.outputs) != impl_->block.format) {
      throw FormatError(fmt::format("format {} does not go with {}", impl_->block.format,
                                    to_string(impl_->header.outputs)));
    }
  });
}

UnitFileReader::~UnitFileReader() = default;
UnitFileReader::UnitFileReader(UnitFileReader&&) noexcept = default;

const UnitFileHeader& UnitFileReader::header() const { return impl_->header; }
const std::string& UnitFileReader::checksum() const { return impl_->block.checksum; }

std::vector<TrialId> UnitFileReader::trials() const {
  return impl_->guarded([&] {
    std::vector<TrialId> ids;
    for (const auto& name : hdf5::child_names(impl_->file.get(), "trials")) {
      ids.push_back(TrialId::from_hex(name));
    }
    std::sort(ids.begin(), ids.end());
    return ids;
  });
}

TrialRecord UnitFileReader::trial(const TrialId& id) const {
  return impl_->guarded([&] {
    const auto group = hdf5::check(
        H5Gopen2(impl_->file.get(), ("trials/" + id.str()).c_str(), H5P_DEFAULT), "open a trial");
    TrialRecord trial;
    trial.id = id;
    read_trial_attributes(group.get(), trial);
    trial.epochs = read_epochs(group.get());
    return trial;
  });
}

std::vector<std::string> UnitFileReader::logit_sets(const TrialId& id) const {
  return impl_->guarded([&] {
    const std::string base =
        "trials/" + id.str() + "/" + std::string(to_string(impl_->header.outputs));
    std::vector<std::string> sets;
    impl_->add_sets(base, "", sets);
    for (const auto& setting : hdf5::child_names(impl_->file.get(), base + "/odin")) {
      impl_->add_sets(base, "odin/" + setting + "/", sets);
    }
    std::sort(sets.begin(), sets.end());
    return sets;
  });
}

Outputs UnitFileReader::outputs() const { return impl_->header.outputs; }

std::int64_t UnitFileReader::n_rows(const TrialId& id, const std::string& set) const {
  return impl_->guarded([&] {
    hdf5::Handle dataset;
    hdf5::open_dataset(impl_->file.get(), impl_->place(id, set), dataset);
    const auto shape = hdf5::shape_of(dataset.get());
    if (shape.empty()) throw FormatError("'" + set + "' has no rows");
    return static_cast<std::int64_t>(shape[0]);
  });
}

std::vector<float> UnitFileReader::logits(const TrialId& id, const std::string& set) const {
  return logits(id, set, 0, -1);
}

std::vector<float> UnitFileReader::logits(const TrialId& id, const std::string& set,
                                          std::int64_t first_row, std::int64_t n_rows) const {
  return impl_->guarded([&] {
    impl_->expect(Outputs::Logits);
    return impl_->rows<float>(impl_->place(id, set), H5T_NATIVE_FLOAT,
                              static_cast<hsize_t>(impl_->header.n_classes), first_row, n_rows);
  });
}

std::vector<double> UnitFileReader::probabilities(const TrialId& id, const std::string& set) const {
  return probabilities(id, set, 0, -1);
}

std::vector<double> UnitFileReader::probabilities(const TrialId& id, const std::string& set,
                                                  std::int64_t first_row,
                                                  std::int64_t n_rows) const {
  return impl_->guarded([&] {
    impl_->expect(Outputs::Probabilities);
    return impl_->rows<double>(impl_->place(id, set), H5T_NATIVE_DOUBLE,
                               static_cast<hsize_t>(impl_->header.n_classes), first_row, n_rows);
  });
}

std::vector<std::int32_t> UnitFileReader::labels(const std::string& set) const {
  return labels(set, 0, -1);
}

std::vector<std::int32_t> UnitFileReader::labels(const std::string& set, std::int64_t first_row,
                                                 std::int64_t n_rows) const {
  return impl_->guarded([&] {
    return impl_->rows<std::int32_t>("labels/" + set, H5T_NATIVE_INT32, 0, first_row, n_rows);
  });
}

}  // namespace calsweep

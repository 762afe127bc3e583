// Unit files, in two ways.
//
// 1. The input as it comes: the checksum is compared before HDF5 sees a byte.
// 2. A sound HDF5 file whose content is decided by the input: attributes that are missing, of
//    another type or full of rubbish, datasets of other types and of shapes that nothing fills.
//    Read without the checksum, every getter must answer or throw one of our errors.
//
// Bytes changed at random inside an HDF5 file are not given to HDF5: its library (1.10.8) hangs and
// crashes on such files within seconds, which is why UnitFileReader verifies before it parses.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <span>

#include "sweeps/hdf5.hpp"
#include "sweeps/run_directory.hpp"
#include "sweeps/unit_file.hpp"
#include "tests/fuzz/fuzzing.hpp"

namespace {

using namespace calsweep;

constexpr hsize_t kUserBlockBytes = 512;
constexpr const char* kId = "0123456789abcdef0123";

void read_all(const fs::path& file, bool verify) {
  const UnitFileReader reader(file, verify);
  for (const TrialId& id : reader.trials()) {
    // One damaged trial must not hide the others.
    fuzzing::only_our_errors([&] { reader.trial(id); });
    fuzzing::only_our_errors([&] {
      for (const std::string& set : reader.logit_sets(id)) {
        fuzzing::only_our_errors([&] { reader.logits(id, set); });
      }
    });
  }
  for (const char* set : {"test", "validation"}) {
    fuzzing::only_our_errors([&] { reader.labels(set); });
  }
}

// Decisions taken from the input; when it is used up, everything is as it should be.
class Choices {
 public:
  explicit Choices(std::string_view bytes) : bytes_(bytes) {}
  std::size_t below(std::size_t n) {
    if (bytes_.empty()) return 0;
    const auto value = static_cast<unsigned char>(bytes_.front());
    bytes_.remove_prefix(1);
    return value % n;
  }
  std::int64_t number() {
    std::uint64_t value = 0;
    for (std::size_t n = below(9); n > 0; --n) value = value << 8 | below(256);
    return static_cast<std::int64_t>(value);
  }
  std::string text() {
    const std::size_t n = std::min(below(40), bytes_.size());
    const std::string found(bytes_.substr(0, n));
    bytes_.remove_prefix(n);
    return found;
  }

 private:
  std::string_view bytes_;
};

class FileMaker {
 public:
  FileMaker(const fs::path& path, Choices& choices) : choices_(choices) {
    const auto creation = hdf5::check(H5Pcreate(H5P_FILE_CREATE), "set up a file");
    hdf5::check_status(H5Pset_userblock(creation.get(), kUserBlockBytes), "reserve the header");
    file_ = hdf5::check(
        H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), hdf5::file_access().get()), "make");
  }

  void make() {
    integer(file_.get(), "format", kUnitFileFormat);
    for (const char* name : {"unit", "dataset", "data_fingerprints", "calsweep_version",
                             "libtorch_version", "hdf5_version", "host", "device", "started_at"}) {
      const std::string text = name;
      this->text(file_.get(), name, text == "unit" ? kId : text == "data_fingerprints" ? "{}" : "x");
    }
    for (const char* name : {"attempt", "n_classes", "threads"}) integer(file_.get(), name, 2);
    const auto labels = group(file_.get(), "labels");
    dataset(labels.get(), "test", H5T_NATIVE_INT32, 1);
    const auto trials = group(file_.get(), "trials");
    trial(trials.get(), kId);
    for (std::size_t more = choices_.below(3); more > 0; --more) {
      trial(trials.get(), choices_.text());
    }
    file_.close();
  }

 private:
  static hdf5::Handle group(hid_t parent, const std::string& name) {
    return hdf5::check(H5Gcreate2(parent, name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                       "make a group");
  }

  void trial(hid_t parent, const std::string& name) {
    if (name.empty() || name.find('/') != std::string::npos) return;
    const auto trial = group(parent, name);
    for (const char* key : {"settings", "outcome"}) text(trial.get(), key, "completed");
    for (const char* key : {"seed", "member", "fused_width", "diverged_step"}) {
      integer(trial.get(), key, 1);
    }
    if (choices_.below(4) != 1) hdf5::write_real(trial.get(), "train_seconds", 1.0);
    dataset(trial.get(), "epochs", H5T_NATIVE_INT64, 1);
    const auto logits = group(trial.get(), "logits");
    dataset(logits.get(), "test", H5T_NATIVE_FLOAT, 2);
    if (choices_.below(4) == 1) dataset(logits.get(), "ood", H5T_NATIVE_FLOAT, 2);
  }

  void text(hid_t object, const char* name, const std::string& proper) {
    switch (choices_.below(8)) {
      case 1:
        return;
      case 2:
        return hdf5::write_integer(object, name, choices_.number());
      case 3:
        return array(object, name);
      case 4:
      case 5:
        return hdf5::write_text(object, name, choices_.text());
      default:
        return hdf5::write_text(object, name, proper);
    }
  }

  void integer(hid_t object, const char* name, std::int64_t proper) {
    switch (choices_.below(8)) {
      case 1:
        return;
      case 2:
        return hdf5::write_text(object, name, choices_.text());
      case 3:
        return array(object, name);
      case 4:
        return hdf5::write_real(object, name, 1e300);
      case 5:
      case 6:
        return hdf5::write_integer(object, name, choices_.number());
      default:
        return hdf5::write_integer(object, name, proper);
    }
  }

  // Where one value is expected: none, or some.
  void array(hid_t object, const char* name) {
    const hsize_t n = choices_.below(4);
    const auto space = hdf5::check(H5Screate_simple(1, &n, nullptr), "make a space");
    const auto attribute = hdf5::check(
        H5Acreate2(object, name, H5T_NATIVE_INT64, space.get(), H5P_DEFAULT, H5P_DEFAULT), "add");
    const std::array<std::int64_t, 4> values{};
    hdf5::check_status(H5Awrite(attribute.get(), H5T_NATIVE_INT64, values.data()), "write");
  }

  void dataset(hid_t parent, const char* name, hid_t proper, std::size_t rank) {
    const std::array<hid_t, 6> types{proper,           proper,          H5T_NATIVE_DOUBLE,
                                     H5T_NATIVE_INT64, H5T_NATIVE_CHAR, H5T_C_S1};
    const hid_t type = types[choices_.below(types.size())];
    if (choices_.below(8) == 1) return;
    if (choices_.below(8) == 2) rank = 1 + choices_.below(3);
    std::vector<hsize_t> shape(rank, 2);
    for (hsize_t& n : shape) {
      if (choices_.below(4) == 1) n = choices_.below(5);
    }
    if (choices_.below(4) == 1) return unfilled(parent, name, type, shape);
    const std::vector<char> data(1 << 16);  // more than 4^3 elements of any type
    fuzzing::only_our_errors([&] { hdf5::write_dataset(parent, name, type, shape, data.data()); });
  }

  // A shape of any size with nothing behind it.
  void unfilled(hid_t parent, const char* name, hid_t type, std::vector<hsize_t> shape) {
    for (hsize_t& n : shape) n = static_cast<hsize_t>(choices_.number()) % (hsize_t{1} << 20) + 1;
    const auto creation = hdf5::check(H5Pcreate(H5P_DATASET_CREATE), "set up a dataset");
    const std::vector<hsize_t> chunk(shape.size(), 1);
    hdf5::check_status(
        H5Pset_chunk(creation.get(), static_cast<int>(chunk.size()), chunk.data()), "chunk");
    const auto space = hdf5::check(
        H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), "make a space");
    hdf5::check(H5Dcreate2(parent, name, type, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
                "make a dataset");
  }

  Choices& choices_;
  hdf5::Handle file_;
};

void write_fitting_header(const fs::path& file) {
  std::string block =
      fmt::format("calsweep unit file, format {}\nsha256 of the bytes after this block:\n{}\n"
                  "file size: {}\n",
                  kUnitFileFormat, std::string(64, '0'), fs::file_size(file));
  block.resize(kUserBlockBytes, ' ');
  std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
  stream << block;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzzing::ScratchFolder folder;
  hdf5::silence();
  const auto content = fuzzing::text(data, size);
  const auto as_is = folder.write("as-is.h5", content);
  fuzzing::only_our_errors([&] { read_all(as_is, true); });
  unit_file_is_intact(as_is);
  unit_file_belies_its_checksum(as_is);
  const auto made = folder.path() / "made.h5";
  Choices choices(content);
  fuzzing::only_our_errors([&] { FileMaker(made, choices).make(); });
  if (!fs::exists(made)) return 0;
  write_fitting_header(made);
  fuzzing::only_our_errors([&] { read_all(made, false); });
  fs::remove(made);
  return 0;
}

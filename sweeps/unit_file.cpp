#include "sweeps/unit_file.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "sweeps/errors.hpp"
#include "sweeps/hdf5.hpp"
#include "sweeps/run_directory.hpp"

namespace calsweep {
namespace {

constexpr hsize_t kUserBlockBytes = 512;
constexpr std::string_view kMagic = "calsweep unit file, format ";

struct EpochRow {  // the stored form of EpochRecord
  std::int64_t epoch;
  double train_loss, test_accuracy, test_nll, test_confidence, test_ece_guo2017, test_ece_noise2026;
};

hdf5::Handle epoch_type() {
  auto type = hdf5::check(H5Tcreate(H5T_COMPOUND, sizeof(EpochRow)), "make the epoch type");
  const auto add = [&](const char* name, std::size_t offset, hid_t member) {
    hdf5::check_status(H5Tinsert(type.get(), name, offset, member), "make the epoch type");
  };
  add("epoch", HOFFSET(EpochRow, epoch), H5T_NATIVE_INT64);
  add("train_loss", HOFFSET(EpochRow, train_loss), H5T_NATIVE_DOUBLE);
  add("test_accuracy", HOFFSET(EpochRow, test_accuracy), H5T_NATIVE_DOUBLE);
  add("test_nll", HOFFSET(EpochRow, test_nll), H5T_NATIVE_DOUBLE);
  add("test_confidence", HOFFSET(EpochRow, test_confidence), H5T_NATIVE_DOUBLE);
  add("test_ece_guo2017", HOFFSET(EpochRow, test_ece_guo2017), H5T_NATIVE_DOUBLE);
  add("test_ece_noise2026", HOFFSET(EpochRow, test_ece_noise2026), H5T_NATIVE_DOUBLE);
  return type;
}

struct UserBlock {
  std::string checksum;
  std::int64_t bytes = 0;  // of the whole file
};

std::string user_block_text(const UserBlock& block) {
  std::string text =
      fmt::format("{}{}\nsha256 of the bytes after this block of {} bytes:\n{}\nfile size: {}\n",
                  kMagic, kUnitFileFormat, kUserBlockBytes, block.checksum, block.bytes);
  text.resize(kUserBlockBytes, ' ');
  text.back() = '\n';
  return text;
}

[[noreturn]] void damaged(const fs::path& path, const std::string& why) {
  throw FormatError(fmt::format(
      "the unit file {} is not usable: {}; `calsweep run` with the same spec trains its "
      "trials again",
      path.string(), why));
}

UserBlock read_user_block(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    throw IoError(fmt::format("cannot open {}: {}", path.string(), std::strerror(errno)));
  }
  std::string text(kUserBlockBytes, '\0');
  const ssize_t n = ::read(fd, text.data(), text.size());
  struct stat status {};
  ::fstat(fd, &status);
  ::close(fd);
  if (n != static_cast<ssize_t>(kUserBlockBytes)) damaged(path, "it is shorter than its header");
  if (!text.starts_with(kMagic)) damaged(path, "it is no unit file of calsweep");
  const int format = std::atoi(text.c_str() + kMagic.size());
  if (format != kUnitFileFormat) {
    damaged(path,
            fmt::format("it has format {}, this program reads format {}", format, kUnitFileFormat));
  }
  const auto sum_at = text.find(":\n");
  const auto size_at = text.find("file size: ");
  if (sum_at == std::string::npos || size_at == std::string::npos) {
    damaged(path, "its header is damaged");
  }
  const UserBlock block{text.substr(sum_at + 2, 64), std::atoll(text.c_str() + size_at + 11)};
  if (block.bytes != status.st_size) {
    damaged(path, fmt::format("it has {} bytes instead of {}", status.st_size, block.bytes));
  }
  return block;
}

std::string checksum_of(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    throw IoError(fmt::format("cannot open {}: {}", path.string(), std::strerror(errno)));
  }
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  std::vector<char> buffer(1 << 20);
  ssize_t n = 0;
  off_t at = kUserBlockBytes;
  while ((n = ::pread(fd, buffer.data(), buffer.size(), at)) > 0) {
    EVP_DigestUpdate(context.get(), buffer.data(), static_cast<std::size_t>(n));
    at += n;
  }
  ::close(fd);
  if (n < 0) throw IoError(fmt::format("cannot read {}: {}", path.string(), std::strerror(errno)));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EVP_DigestFinal_ex(context.get(), digest, &length);
  std::string hex;
  for (unsigned int i = 0; i < length; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

void write_user_block(const fs::path& path, const UserBlock& block) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  const std::string text = user_block_text(block);
  const bool ok =
      fd >= 0 && ::pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  const int code = errno;
  if (fd >= 0) ::close(fd);
  if (!ok) {
    throw IoError(
        fmt::format("cannot write the header of {}: {}", path.string(), std::strerror(code)));
  }
}

void write_header(hid_t root, const UnitFileHeader& header) {
  hdf5::write_integer(root, "format", kUnitFileFormat);
  hdf5::write_text(root, "unit", header.unit.str());
  hdf5::write_integer(root, "attempt", header.attempt);
  hdf5::write_text(root, "dataset", header.dataset);
  hdf5::write_integer(root, "n_classes", header.n_classes);
  hdf5::write_text(root, "data_fingerprints", nlohmann::json(header.fingerprints).dump());
  hdf5::write_text(root, "logit_unit", "natural-log odds up to a constant per row (pre-softmax)");
  const auto& made = header.provenance;
  hdf5::write_text(root, "calsweep_version", made.calsweep_version);
  hdf5::write_text(root, "libtorch_version", made.libtorch_version);
  hdf5::write_text(root, "hdf5_version", hdf5::library_version());
  hdf5::write_text(root, "host", made.host);
  hdf5::write_text(root, "device", made.device);
  hdf5::write_text(root, "started_at", made.started_at);
  hdf5::write_integer(root, "threads", made.threads);
}

std::map<std::string, std::string> read_fingerprints(hid_t root) {
  try {
    return nlohmann::json::parse(hdf5::read_text(root, "data_fingerprints"))
        .get<std::map<std::string, std::string>>();
  } catch (const nlohmann::json::exception& error) {
    throw FormatError(fmt::format("its data fingerprints are not readable: {}", error.what()));
  }
}

UnitFileHeader read_header(hid_t root) {
  UnitFileHeader header;
  header.unit = UnitId::from_hex(hdf5::read_text(root, "unit"));
  header.attempt = hdf5::read_integer(root, "attempt");
  header.dataset = hdf5::read_text(root, "dataset");
  header.n_classes = hdf5::read_integer(root, "n_classes");
  if (header.n_classes < 1) throw FormatError("it has no classes");
  header.fingerprints = read_fingerprints(root);
  auto& made = header.provenance;
  made.calsweep_version = hdf5::read_text(root, "calsweep_version");
  made.libtorch_version = hdf5::read_text(root, "libtorch_version");
  made.hdf5_version = hdf5::read_text(root, "hdf5_version");
  made.host = hdf5::read_text(root, "host");
  made.device = hdf5::read_text(root, "device");
  made.started_at = hdf5::read_text(root, "started_at");
  made.threads = hdf5::read_integer(root, "threads");
  return header;
}

void write_trial_attributes(hid_t group, const TrialRecord& trial) {
  hdf5::write_text(group, "settings", trial.settings);
  hdf5::write_integer(group, "seed", trial.seed);
  hdf5::write_integer(group, "member", trial.member);
  hdf5::write_integer(group, "fused_width", trial.fused_width);
  hdf5::write_text(group, "outcome",
                   trial.outcome == TrialOutcome::Completed ? "completed" : "diverged");
  hdf5::write_integer(group, "diverged_step", trial.diverged_step);
  hdf5::write_real(group, "train_seconds", trial.train_seconds);
}

void write_epochs(hid_t group, const std::vector<EpochRecord>& epochs) {
  std::vector<EpochRow> rows;
  for (const auto& e : epochs) {
    rows.push_back({e.epoch, e.train_loss, e.test_accuracy, e.test_nll, e.test_confidence,
                    e.test_ece_guo2017, e.test_ece_noise2026});
  }
  const hsize_t shape[] = {rows.size()};
  hdf5::write_dataset(group, "epochs", epoch_type().get(), shape, rows.data());
}

std::vector<EpochRecord> read_epochs(hid_t group) {
  hdf5::Handle dataset;
  std::vector<EpochRow> rows(hdf5::open_dataset(group, "epochs", dataset));
  if (!rows.empty()) {
    hdf5::check_status(
        H5Dread(dataset.get(), epoch_type().get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, rows.data()),
        "read the epoch record");
  }
  std::vector<EpochRecord> epochs;
  for (const auto& r : rows) {
    epochs.push_back({r.epoch, r.train_loss, r.test_accuracy, r.test_nll, r.test_confidence,
                      r.test_ece_guo2017, r.test_ece_noise2026});
  }
  return epochs;
}

herr_t collect_name(hid_t, const char* name, const H5L_info_t*, void* out) {
  static_cast<std::vector<std::string>*>(out)->emplace_back(name);
  return 0;
}

std::vector<std::string> child_names(hid_t parent, const std::string& group) {
  std::vector<std::string> names;
  if (!hdf5::exists(parent, group)) return names;
  const auto handle =
      hdf5::check(H5Gopen2(parent, group.c_str(), H5P_DEFAULT), "open the group '" + group + "'");
  hdf5::check_status(
      H5Literate(handle.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, collect_name, &names),
      "list the group '" + group + "'");
  return names;
}

}  // namespace

struct UnitFileWriter::Impl {
  fs::path path, partial;
  std::int64_t n_classes = 0;
  hdf5::Handle file;
  bool sealed = false;

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
    hdf5::write_dataset(group.get(), "logits/" + set.name, H5T_NATIVE_FLOAT, shape,
                        set.logits.data());
  }
}

std::string UnitFileWriter::seal() {
  impl_->guarded([&] {
    hdf5::check_status(H5Fflush(impl_->file.get(), H5F_SCOPE_GLOBAL), "flush a unit file");
    impl_->file.close();
  });
  UserBlock block{checksum_of(impl_->partial),
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

struct UnitFileReader::Impl {
  fs::path path;
  UserBlock block;
  hdf5::Handle file;
  UnitFileHeader header;

  // HDF5's complaints name no file: add it.
  template <class Function>
  auto guarded(Function function) const {
    try {
      return function();
    } catch (const FormatError& error) {
      damaged(path, error.what());
    }
  }
};

UnitFileReader::UnitFileReader(fs::path path, bool verify_checksum)
    : impl_(std::make_unique<Impl>()) {
  hdf5::silence();
  impl_->path = std::move(path);
  impl_->block = read_user_block(impl_->path);
  if (verify_checksum && checksum_of(impl_->path) != impl_->block.checksum) {
    damaged(impl_->path, "its content does not match its checksum");
  }
  impl_->guarded([&] {
    impl_->file = hdf5::check(
        H5Fopen(impl_->path.c_str(), H5F_ACC_RDONLY, hdf5::file_access().get()), "open it");
    impl_->header = read_header(impl_->file.get());
  });
}

UnitFileReader::~UnitFileReader() = default;
UnitFileReader::UnitFileReader(UnitFileReader&&) noexcept = default;

const UnitFileHeader& UnitFileReader::header() const { return impl_->header; }
const std::string& UnitFileReader::checksum() const { return impl_->block.checksum; }

std::vector<TrialId> UnitFileReader::trials() const {
  return impl_->guarded([&] {
    std::vector<TrialId> ids;
    for (const auto& name : child_names(impl_->file.get(), "trials")) {
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
    trial.settings = hdf5::read_text(group.get(), "settings");
    trial.seed = hdf5::read_integer(group.get(), "seed");
    trial.member = hdf5::read_integer(group.get(), "member");
    trial.fused_width = hdf5::read_integer(group.get(), "fused_width");
    trial.outcome = hdf5::read_text(group.get(), "outcome") == "completed" ? TrialOutcome::Completed
                                                                           : TrialOutcome::Diverged;
    trial.diverged_step = hdf5::read_integer(group.get(), "diverged_step");
    trial.train_seconds = hdf5::read_real(group.get(), "train_seconds");
    trial.epochs = read_epochs(group.get());
    return trial;
  });
}

std::vector<std::string> UnitFileReader::logit_sets(const TrialId& id) const {
  return impl_->guarded([&] {
    const std::string base = "trials/" + id.str() + "/logits";
    std::vector<std::string> sets;
    for (const auto& name : child_names(impl_->file.get(), base)) {
      if (name != "ood") {
        sets.push_back(name);
        continue;
      }
      for (const auto& ood : child_names(impl_->file.get(), base + "/ood")) {
        sets.push_back("ood/" + ood);
      }
    }
    std::sort(sets.begin(), sets.end());
    return sets;
  });
}

std::vector<float> UnitFileReader::logits(const TrialId& id, const std::string& set) const {
  return impl_->guarded([&] {
    hdf5::Handle dataset;
    std::vector<float> values(
        hdf5::open_dataset(impl_->file.get(), "trials/" + id.str() + "/logits/" + set, dataset));
    if (!values.empty()) {
      hdf5::check_status(
          H5Dread(dataset.get(), H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
          "read the logits of '" + set + "'");
    }
    if (values.size() % static_cast<std::size_t>(impl_->header.n_classes) != 0) {
      throw FormatError("the logits of '" + set + "' are not [rows, n_classes]");
    }
    return values;
  });
}

std::vector<std::int32_t> UnitFileReader::labels(const std::string& set) const {
  return impl_->guarded([&] {
    hdf5::Handle dataset;
    std::vector<std::int32_t> values(
        hdf5::open_dataset(impl_->file.get(), "labels/" + set, dataset));
    if (!values.empty()) {
      hdf5::check_status(
          H5Dread(dataset.get(), H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
          "read the labels of '" + set + "'");
    }
    return values;
  });
}

bool unit_file_belies_its_checksum(const fs::path& path) {
  try {
    return checksum_of(path) != read_user_block(path).checksum;
  } catch (const CalsweepError&) {
    return false;
  }
}

bool unit_file_is_intact(const fs::path& path) {
  try {
    return checksum_of(path) == read_user_block(path).checksum;
  } catch (const CalsweepError&) {
    return false;
  }
}

}  // namespace calsweep

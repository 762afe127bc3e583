#include "sweeps/unit_file_layout.hpp"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "sweeps/errors.hpp"

namespace calsweep {
namespace {

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

Outputs read_outputs(hid_t root) {
  if (H5Aexists(root, "outputs") <= 0) return Outputs::Logits;
  const std::string text = hdf5::read_text(root, "outputs");
  for (const auto outputs : {Outputs::Logits, Outputs::Probabilities}) {
    if (to_string(outputs) == text) return outputs;
  }
  throw FormatError("it holds '" + text + "', neither logits nor probabilities");
}

std::map<std::string, std::string> read_fingerprints(hid_t root) {
  try {
    return nlohmann::json::parse(hdf5::read_text(root, "data_fingerprints"))
        .get<std::map<std::string, std::string>>();
  } catch (const nlohmann::json::exception& error) {
    throw FormatError(fmt::format("its data fingerprints are not readable: {}", error.what()));
  }
}

}  // namespace

std::string_view to_string(Outputs outputs) {
  return outputs == Outputs::Logits ? "logits" : "probabilities";
}

int format_for(Outputs outputs) {
  return outputs == Outputs::Logits ? kUnitFileFormat : kUnitFileFormatProbabilities;
}

void write_header(hid_t root, const UnitFileHeader& header) {
  hdf5::write_integer(root, "format", format_for(header.outputs));
  hdf5::write_text(root, "unit", header.unit.str());
  hdf5::write_integer(root, "attempt", header.attempt);
  hdf5::write_text(root, "dataset", header.dataset);
  hdf5::write_integer(root, "n_classes", header.n_classes);
  hdf5::write_text(root, "data_fingerprints", nlohmann::json(header.fingerprints).dump());
  if (header.outputs == Outputs::Logits) {
    hdf5::write_text(root, "logit_unit", "natural-log odds up to a constant per row (pre-softmax)");
  } else {
    hdf5::write_text(root, "outputs", std::string(to_string(header.outputs)));
  }
  const auto& made = header.provenance;
  hdf5::write_text(root, "calsweep_version", made.calsweep_version);
  hdf5::write_text(root, "libtorch_version", made.libtorch_version);
  hdf5::write_text(root, "hdf5_version", hdf5::library_version());
  hdf5::write_text(root, "host", made.host);
  hdf5::write_text(root, "device", made.device);
  hdf5::write_text(root, "started_at", made.started_at);
  hdf5::write_integer(root, "threads", made.threads);
}

UnitFileHeader read_header(hid_t root) {
  UnitFileHeader header;
  header.unit = UnitId::from_hex(hdf5::read_text(root, "unit"));
  header.attempt = hdf5::read_integer(root, "attempt");
  header.dataset = hdf5::read_text(root, "dataset");
  header.n_classes = hdf5::read_integer(root, "n_classes");
  if (header.n_classes < 1) throw FormatError("it has no classes");
  header.fingerprints = read_fingerprints(root);
  header.outputs = read_outputs(root);
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

void read_trial_attributes(hid_t group, TrialRecord& trial) {
  trial.settings = hdf5::read_text(group, "settings");
  trial.seed = hdf5::read_integer(group, "seed");
  trial.member = hdf5::read_integer(group, "member");
  trial.fused_width = hdf5::read_integer(group, "fused_width");
  trial.outcome = hdf5::read_text(group, "outcome") == "completed" ? TrialOutcome::Completed
                                                                   : TrialOutcome::Diverged;
  trial.diverged_step = hdf5::read_integer(group, "diverged_step");
  trial.train_seconds = hdf5::read_real(group, "train_seconds");
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

}  // namespace calsweep

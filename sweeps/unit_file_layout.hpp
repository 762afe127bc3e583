// What the writer and the reader of a unit file agree on: its attributes and the epoch record.
// Format: docs/unit-file.md. Internal to unit_file_*.cpp.
#pragma once

#include <string>
#include <vector>

#include "sweeps/hdf5.hpp"
#include "sweeps/unit_file.hpp"

namespace calsweep {

int format_for(Outputs outputs);

/// All of these throw FormatError.
void write_header(hid_t root, const UnitFileHeader& header);
UnitFileHeader read_header(hid_t root);
/// Everything of a trial but its epochs and outputs.
void write_trial_attributes(hid_t group, const TrialRecord& trial);
void read_trial_attributes(hid_t group, TrialRecord& trial);
void write_epochs(hid_t group, const std::vector<EpochRecord>& epochs);
std::vector<EpochRecord> read_epochs(hid_t group);

}  // namespace calsweep

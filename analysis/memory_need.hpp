// How much memory an analysis needs, said before the work: what does not fit is refused, not
// killed, and large networks wait for each other.
#pragma once

#include <cstdint>
#include <string>

#include "analysis/predictor_data.hpp"
#include "sweeps/sweep.hpp"

namespace calsweep::analysis {

/// Bytes at the peak, from the rows of each set: generous, from measurements (docs/import.md).
std::int64_t bytes_needed(const NetworkData& network, const AnalysisOptions& options);
std::int64_t bytes_needed(const EnsembleData& ensemble, const AnalysisOptions& options);

/// What this process may still take: of the machine's memory, its control group's limit and its own
/// address space.
std::int64_t bytes_available();

/// Why `needed` bytes are not to be had, or "".
std::string not_enough_memory(std::int64_t needed, std::int64_t available);

/// Room for one predictor among the threads of this process. Waits while others hold what is
/// needed; throws FormatError, naming `what`, if it would not fit alone.
class MemoryReservation {
 public:
  MemoryReservation(std::int64_t bytes, const std::string& what);
  ~MemoryReservation();
  MemoryReservation(const MemoryReservation&) = delete;
  MemoryReservation& operator=(const MemoryReservation&) = delete;

 private:
  std::int64_t bytes_;
};

}  // namespace calsweep::analysis

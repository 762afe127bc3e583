// The tables of ledger.db: made, brought up to date, checked. Whoever changes one bumps
// kLedgerVersion (ledger.hpp), adds the step from the version before here, and says so in
// docs/ledger.md.
#pragma once

#include <filesystem>

namespace SQLite {
class Database;
}

namespace calsweep::orchestrator {

/// Makes an opened file a ledger of this version that only this process uses. Throws FormatError if
/// it is damaged or no ledger, UsageError if a newer calsweep wrote it, SQLite::Exception for the
/// rest. `file` is for messages.
void prepare_ledger(SQLite::Database& db, const std::filesystem::path& file);

}  // namespace calsweep::orchestrator

// `calsweep doctor`: does this file system keep the promises that a run directory rests on?
#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <optional>

#include "orchestrator/doctor.hpp"
#include "orchestrator/utc_time.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/run_directory.hpp"
#include "sweeps/unit_file.hpp"

namespace calsweep::orchestrator {
namespace {

constexpr double kKibibyte = 1024.0, kMebibyte = 1024.0 * kKibibyte, kGibibyte = 1024.0 * kMebibyte;
constexpr const char* kMakeRoom =
    "make room, or choose another directory; `calsweep plan SPEC` says what a sweep needs";

struct FileSystemKind {
  unsigned long magic;
  const char* name;
};
constexpr FileSystemKind kKinds[] = {
    {0xEF53, "ext4"},        {0x58465342, "xfs"},    {0x9123683E, "btrfs"}, {0x01021994, "tmpfs"},
    {0x6969, "nfs"},         {0x0BD00BD0, "lustre"}, {0x47504653, "gpfs"},  {0x19830326, "beegfs"},
    {0x794C7630, "overlay"}, {0xFF534D42, "cifs"},   {0xFE534D42, "smb"},   {0x65735546, "fuse"},
    {0x2FC12FC1, "zfs"},     {0x00C36400, "ceph"},   {0x5346414F, "afs"}};

std::string kind_of(const fs::path& folder) {
  struct statfs info {};
  if (::statfs(folder.c_str(), &info) != 0) return "unknown";
  const auto magic = static_cast<unsigned long>(info.f_type) & 0xFFFFFFFFul;
  for (const auto& kind : kKinds) {
    if (kind.magic == magic) return kind.name;
  }
  return fmt::format("type {:#x}", magic);
}

Finding examine_kind(const fs::path& folder) {
  const auto kind = kind_of(folder);
  if (kind == "tmpfs") {
    return {Verdict::Warning, "file system", "tmpfs: it lives in memory and is gone after a reboot",
            "choose a directory on disk for a sweep that matters"};
  }
  if (kind == "cifs" || kind == "smb" || kind == "afs") {
    return {Verdict::Warning, "file system", kind + ", which often has no locks and odd renames",
            "prefer the cluster's own file system"};
  }
  return {Verdict::Ok, "file system", kind, ""};
}

/// A descriptor that closes itself.
struct Descriptor {
  explicit Descriptor(int number) : fd(number) {}
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int fd;
};

int set_lock(int fd) {
  struct flock region {};
  region.l_type = F_WRLCK;
  region.l_whence = SEEK_SET;
  return ::fcntl(fd, F_OFD_SETLK, &region) == 0 ? 0 : errno;
}

Finding examine_locks(const fs::path& folder) {
  const auto file = folder / "lock";
  const Descriptor first(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (first.fd < 0) throw IoError(std::strerror(errno));
  const Descriptor second(::open(file.c_str(), O_RDWR | O_CLOEXEC));
  if (const int error = set_lock(first.fd)) {
    return {Verdict::Warning, "file locks", fmt::format("not supported ({})", std::strerror(error)),
            "only the heartbeat guards against two runs in one directory: do not start two; for "
            "Lustre ask for the mount option flock"};
  }
  const int refused = set_lock(second.fd);
  if (refused == EAGAIN || refused == EACCES) {
    return {Verdict::Ok, "file locks", "held by one, refused to another", ""};
  }
  return {Verdict::Warning, "file locks", "granted twice: they guard nothing here",
          "never start two runs in one directory; for Lustre ask for the mount option flock, not "
          "localflock"};
}

Finding examine_creation(const fs::path& folder) {
  const auto file = folder / "exclusive";
  const Descriptor first(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (first.fd < 0) throw IoError(std::strerror(errno));
  const Descriptor second(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (first.fd >= 0 && second.fd < 0) {
    return {Verdict::Ok, "creation", "exclusive: a file is made once", ""};
  }
  return {Verdict::Failure, "creation", "not exclusive: O_EXCL made the same file twice",
          "choose another file system"};
}

Finding examine_rename(const fs::path& folder) {
  const auto old_file = folder / "renamed", new_file = folder / "renamed.new";
  write_file_atomically(old_file, "old");
  write_file_atomically(new_file, "new");
  std::error_code error;
  fs::rename(new_file, old_file, error);
  if (!error && read_file(old_file) == "new" && !fs::exists(new_file)) {
    return {Verdict::Ok, "rename", "replaces a file in one step", ""};
  }
  return {Verdict::Failure, "rename",
          error ? "fails: " + error.message() : std::string("does not replace an existing file"),
          "choose another file system"};
}

Finding examine_flush(const fs::path& folder) {
  const double before = steady_seconds();
  constexpr int kTimes = 5;
  for (int i = 0; i < kTimes; ++i)
    write_file_atomically(folder / "flushed", std::string(4096, 'x'));
  const double each = (steady_seconds() - before) / kTimes;
  if (each < 0.5) {
    return {Verdict::Ok, "flush",
            fmt::format("a small file is safe on disk after {:.0f} ms", 1e3 * each), ""};
  }
  return {Verdict::Warning, "flush",
          fmt::format("a small file takes {:.1f} s to reach the disk", each),
          "give units more work (execution.unit_seconds), or use a faster file system"};
}

Finding examine_clock(const fs::path& folder) {
  const auto file = folder / "clock";
  write_file_atomically(file, "x");
  struct stat info {};
  ::stat(file.c_str(), &info);
  const double off = static_cast<double>(info.st_mtim.tv_sec) - unix_seconds();
  if (std::abs(off) < 5.0)
    return {Verdict::Ok, "clock", "the file server's agrees with this host's", ""};
  return {Verdict::Warning, "clock",
          fmt::format("the file server's is {:.0f} s {} this host's", std::abs(off),
                      off > 0.0 ? "ahead of" : "behind"),
          "heartbeats look older or younger than they are: ask for NTP on both"};
}

Finding examine_unit_file(const fs::path& folder) {
  const UnitId id = UnitId::of("doctor");
  const auto file = folder / (id.str() + ".h5");
  UnitFileHeader header;
  header.unit = id;
  header.dataset = "doctor";
  header.n_classes = 2;
  const std::vector<std::int32_t> labels = {0, 1};
  UnitFileWriter writer(file, header);
  writer.add_labels("test", labels);
  writer.seal();
  const UnitFileReader reader(file);
  if (reader.labels("test") == labels) {
    return {Verdict::Ok, "HDF5", "a unit file is written, sealed and read back", ""};
  }
  return {Verdict::Failure, "HDF5", "a sealed unit file reads back differently",
          "do not use this file system; tell its owners"};
}

Finding examine_database(const fs::path& folder) {
  const auto file = folder / "ledger.db";
  SQLite::Database database(file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  database.exec(
      "PRAGMA synchronous = FULL; CREATE TABLE t (x INTEGER); "
      "BEGIN; INSERT INTO t VALUES (7); COMMIT");
  SQLite::Database again(file.string(), SQLite::OPEN_READONLY);
  if (again.execAndGet("SELECT x FROM t").getInt() == 7) {
    return {Verdict::Ok, "SQLite", "a database is written and read back", ""};
  }
  return {Verdict::Failure, "SQLite", "a committed row is not seen by a second connection",
          "do not use this file system"};
}

std::string quota_hint(const std::string& kind, const fs::path& folder) {
  if (kind == "lustre") return fmt::format("; your own limit: lfs quota -h {}", folder.string());
  if (kind == "gpfs") return "; your own limit: mmlsquota";
  if (kind == "beegfs") return "; your own limit: beegfs-ctl --getquota --uid $USER";
  if (kind == "nfs") return "; your own limit may be smaller: quota -s";
  return "";
}

std::string size_text(double bytes) {
  if (bytes >= kGibibyte) return fmt::format("{:.1f} GiB", bytes / kGibibyte);
  if (bytes >= kMebibyte) return fmt::format("{:.0f} MiB", bytes / kMebibyte);
  return fmt::format("{:.0f} KiB", bytes / kKibibyte);
}

struct Room {
  double bytes = 0.0;
  std::optional<std::uint64_t> files;  ///< btrfs and some network file systems do not count them
};

Room room_in(const fs::path& folder) {
  struct statvfs info {};
  if (::statvfs(folder.c_str(), &info) != 0) return {};
  Room room{static_cast<double>(info.f_bavail) * static_cast<double>(info.f_frsize), {}};
  if (info.f_files > 0) room.files = info.f_favail;
  return room;
}

Finding examine_space(const fs::path& folder) {
  const Room room = room_in(folder);
  const auto free = size_text(room.bytes), hint = quota_hint(kind_of(folder), folder);
  if (room.files && *room.files < 10'000) {
    return {
        *room.files < 100 || room.bytes < 0.05 * kGibibyte ? Verdict::Failure : Verdict::Warning,
        "free space",
        fmt::format("only {} more files can be made ({} are free){}", *room.files, free, hint),
        kMakeRoom};
  }
  if (room.bytes <= kGibibyte) {
    return {room.bytes > 0.05 * kGibibyte ? Verdict::Warning : Verdict::Failure, "free space",
            fmt::format("only {}{}", free, hint), kMakeRoom};
  }
  const auto files = room.files ? fmt::format(", room for {} more files", *room.files) : "";
  return {Verdict::Ok, "free space", free + files + hint, ""};
}

bool tells_of_no_room(const std::string& text) {
  for (const int code : {ENOSPC, EDQUOT}) {
    if (text.find(std::strerror(code)) != std::string::npos) return true;
  }
  return text.find("disk is full") != std::string::npos;  // SQLite
}

Finding examined(const std::string& subject, const fs::path& folder,
                 Finding (*check)(const fs::path&)) {
  try {
    return check(folder);
  } catch (const std::exception& error) {
    if (tells_of_no_room(error.what()) || room_in(folder).bytes < kMebibyte) {
      return {Verdict::Failure, subject, fmt::format("there is no room for it: {}", error.what()),
              kMakeRoom};
    }
    return {Verdict::Failure, subject, error.what(), "a run directory cannot live here"};
  }
}

}  // namespace

std::vector<Finding> examine_storage(const fs::path& directory) {
  std::string pattern = (directory / ".calsweep-doctor-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    const int code = errno;
    return {{Verdict::Failure, "directory",
             fmt::format("nothing can be made in {}: {}", directory.string(), std::strerror(code)),
             code == ENOSPC || code == EDQUOT ? kMakeRoom : "choose a directory you may write to"}};
  }
  const fs::path folder = pattern;
  std::vector<Finding> findings = {examine_kind(folder),
                                   examined("file locks", folder, examine_locks),
                                   examined("creation", folder, examine_creation),
                                   examined("rename", folder, examine_rename),
                                   examined("flush", folder, examine_flush),
                                   examined("clock", folder, examine_clock),
                                   examined("HDF5", folder, examine_unit_file),
                                   examined("SQLite", folder, examine_database),
                                   examine_space(folder)};
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  return findings;
}

}  // namespace calsweep::orchestrator

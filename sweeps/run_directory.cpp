#include "sweeps/run_directory.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "sweeps/errors.hpp"
#include "sweeps/imported/imported_sweep.hpp"
#include "sweeps/imported/manifest.hpp"

namespace calsweep {
namespace {

constexpr std::size_t kPulseBytes = std::size_t{8} << 20;

std::string advice(int code) {
  if (code == ENOSPC) return "; the disk is full: make room and run the same command again";
  if (code == EDQUOT) return "; the quota is used up: make room and run the same command again";
  if (code == EROFS) return "; the file system is read-only: choose another directory";
  if (code == EACCES || code == EPERM) return "; check the permissions of the directory";
  return "";
}

[[noreturn]] void fail(std::string_view what, const fs::path& file, int code) {
  throw IoError(
      fmt::format("cannot {} {}: {}{}", what, file.string(), std::strerror(code), advice(code)));
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

void write_all(int fd, std::string_view content, const fs::path& file) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write", file, errno);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
}

void sync_directory(const fs::path& directory) {
  const FileDescriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) fail("open the directory", directory, errno);
  // Some network file systems cannot sync a directory; the rename is then as durable as they make
  // it.
  if (::fsync(fd.get()) != 0 && errno != EINVAL && errno != ENOTSUP) {
    fail("flush the directory", directory, errno);
  }
}

void write_and_flush(const fs::path& file, std::string_view content,
                     const std::function<void()>& pulse) {
  const FileDescriptor fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (fd.get() < 0) fail("create", file, errno);
  const std::size_t part = pulse ? kPulseBytes : content.size();
  for (std::size_t begin = 0; begin < content.size(); begin += part) {
    write_all(fd.get(), content.substr(begin, part), file);
    if (begin + part >= content.size()) break;  // the last is flushed below
    if (::fdatasync(fd.get()) != 0) fail("flush", file, errno);
    pulse();
  }
  if (::fsync(fd.get()) != 0) fail("flush", file, errno);
}

fs::path directory_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

}  // namespace

fs::path partial_file(const fs::path& file) {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  fs::path partial = file;
  partial += fmt::format(".{}-{}.partial", host, ::getpid());
  return partial;
}

void write_file_atomically(const fs::path& file, std::string_view content,
                           const std::function<void()>& pulse) {
  const fs::path partial = partial_file(file);
  try {
    write_and_flush(partial, content, pulse);
    if (::rename(partial.c_str(), file.c_str()) != 0) fail("rename into place", file, errno);
  } catch (const IoError&) {
    ::unlink(partial.c_str());
    throw;
  }
  sync_directory(directory_of(file));
}

std::string read_file(const fs::path& file) {
  const FileDescriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) fail("open", file, errno);
  std::string content;
  char buffer[65536];
  while (true) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", file, errno);
    if (n == 0) return content;
    content.append(buffer, static_cast<std::size_t>(n));
  }
}

void sync_file(const fs::path& file) {
  {
    const FileDescriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) fail("open", file, errno);
    if (::fsync(fd.get()) != 0) fail("flush", file, errno);
  }
  sync_directory(directory_of(file));
}

// Not in the header: inlined, GCC 12 takes them for an overflow in some callers.
fs::path RunDirectory::unit(const UnitId& id) const { return units() / (id.str() + ".h5"); }
fs::path RunDirectory::log(const UnitId& id) const { return logs() / (id.str() + ".log"); }
fs::path RunDirectory::stage(const StageId& id) const { return stages() / (id.str() + ".pt"); }
fs::path RunDirectory::checkpoint(const StackId& id) const {
  return checkpoints() / (id.str() + ".pt");
}

bool RunDirectory::holds_sweep() const {
  std::error_code ignored;
  // A folder where somebody merely keeps a spec called sweep.toml has no data.json.
  return fs::is_regular_file(spec(), ignored) && fs::is_regular_file(data(), ignored);
}

std::vector<UnitId> RunDirectory::sealed_units() const {
  std::vector<UnitId> ids;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(units(), error)) {
    const std::string stem = entry.path().stem().string();
    if (entry.path().extension() != ".h5" || stem.size() != UnitId::kHexDigits) continue;
    if (stem.find_first_not_of("0123456789abcdef") != std::string::npos) continue;
    ids.push_back(UnitId::from_hex(stem));
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw IoError(fmt::format("cannot list {}: {}", units().string(), error.message()));
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

fs::path RunDirectory::quarantine_file(const fs::path& file) const {
  std::error_code error;
  fs::create_directories(quarantine(), error);
  for (int copy = 1;; ++copy) {
    const fs::path target = quarantine() / fmt::format("{}.{}", file.filename().string(), copy);
    if (fs::exists(target)) continue;
    fs::rename(file, target, error);
    if (error) {
      throw IoError(fmt::format("cannot move the damaged file {} to {}: {}", file.string(),
                                target.string(), error.message()));
    }
    return target;
  }
}

Sweep RunDirectory::load_sweep() const {
  if (!holds_sweep()) {
    throw UsageError(
        fmt::format("{} is not a run directory: it holds no sweep.toml and data.json; give the "
                    "directory that `calsweep run` or `calsweep import` "
                    "printed (runs/<name>)",
                    root_.string()));
  }
  const std::string text = read_file(spec());
  if (imported::is_manifest(text)) {
    return imported::imported_sweep(imported::load_manifest(spec()),
                                    DataInventory::from_json(read_file(data())));
  }
  Spec loaded = load_spec(spec());
  return expand(std::move(loaded), DataInventory::from_json(read_file(data())));
}

}  // namespace calsweep

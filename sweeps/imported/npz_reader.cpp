// Arrays inside a NumPy archive (.npz): a zip file of .npy files, stored or deflated.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zip.h>

#include <algorithm>

#include "sweeps/errors.hpp"
#include "sweeps/imported/npy_format.hpp"
#include "sweeps/nearest_name.hpp"

namespace calsweep::imported {
namespace {

using Archive = std::unique_ptr<zip_t, decltype(&zip_discard)>;
using Entry = std::unique_ptr<zip_file_t, decltype(&zip_fclose)>;

constexpr std::int64_t kMostInMemory = std::int64_t{256} << 20;

Archive open_archive(const std::string& file) {
  int code = 0;
  Archive archive(zip_open(file.c_str(), ZIP_RDONLY, &code), zip_discard);
  if (archive) return archive;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string why = zip_error_strerror(&error);
  zip_error_fini(&error);
  throw FormatError(
      fmt::format("{} is no readable .npz file: {}; save it again with numpy.savez", file, why));
}

/// The keys of the arrays: names of entries without ".npy".
std::vector<std::string> keys_of(zip_t* archive) {
  std::vector<std::string> keys;
  const auto n = zip_get_num_entries(archive, 0);
  for (zip_int64_t i = 0; i < n; ++i) {
    const char* text = zip_get_name(archive, static_cast<zip_uint64_t>(i), 0);
    std::string name = text == nullptr ? "" : text;
    if (name.ends_with(".npy")) keys.push_back(name.substr(0, name.size() - 4));
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

std::string chosen_key(zip_t* archive, const std::string& key, const std::string& file) {
  const auto keys = keys_of(archive);
  if (key.empty() && keys.size() == 1) return keys.front();
  const auto n = std::count(keys.begin(), keys.end(), key);
  if (n > 1) {
    throw FormatError(fmt::format("{} holds {} arrays called '{}': save it again with numpy.savez",
                                  file, n, key));
  }
  if (n == 1) return key;
  const std::string holds =
      keys.empty() ? "it holds no arrays" : fmt::format("it holds: {}", fmt::join(keys, ", "));
  if (key.empty()) {
    throw FormatError(fmt::format("{}: say which array, as in \"{}:{}\"; {}", file, file,
                                  keys.empty() ? "key" : keys.front(), holds));
  }
  throw FormatError(fmt::format("{} holds no array '{}'; {}{}", file, key,
                                did_you_mean(nearest_name(key, keys)), holds));
}

class ZipSource final : public ByteSource {
 public:
  ZipSource(const std::string& file, const std::string& key)
      : archive_(open_archive(file)), entry_(nullptr, zip_fclose) {
    key_ = chosen_key(archive_.get(), key, file);
    name_ = file + ":" + key_;
    zip_stat_t status;
    zip_stat_init(&status);
    if (zip_stat(archive_.get(), entry_name().c_str(), 0, &status) != 0 ||
        (status.valid & ZIP_STAT_SIZE) == 0) {
      damaged(zip_strerror(archive_.get()));
    }
    size_ = static_cast<std::int64_t>(std::min<zip_uint64_t>(status.size, INT64_MAX));
    open_entry();
  }

  const std::string& name() const { return name_; }

  std::size_t read(void* bytes, std::size_t size) override {
    std::size_t done = 0;
    while (done < size) {
      const auto n = zip_fread(entry_.get(), static_cast<char*>(bytes) + done, size - done);
      if (n < 0) damaged(zip_file_strerror(entry_.get()));
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    n_read_ += static_cast<std::int64_t>(done);
    if (done > 0 && n_read_ == size_) check_end();
    return done;
  }

  bool read_at(std::int64_t offset, void* bytes, std::size_t size) override {
    if (memory_.empty()) load();
    if (offset < 0 || offset > size_ || static_cast<std::int64_t>(size) > size_ - offset) {
      damaged("it ends too early");
    }
    std::copy_n(memory_.begin() + offset, size, static_cast<char*>(bytes));
    return true;
  }

  std::int64_t size() const override { return size_; }

 private:
  std::string entry_name() const { return key_ + ".npy"; }

  [[noreturn]] void damaged(const std::string& why) const {
    throw FormatError(fmt::format("{}: the archive is damaged: {}", name_, why));
  }

  void open_entry() {
    entry_.reset(zip_fopen(archive_.get(), entry_name().c_str(), 0));
    if (!entry_ && zip_error_code_zip(zip_get_error(archive_.get())) == ZIP_ER_COMPNOTSUPP) {
      throw FormatError(name_ +
                        ": it is compressed in a way that is not read: save it again with "
                        "numpy.savez_compressed");
    }
    if (!entry_) damaged(zip_strerror(archive_.get()));
    n_read_ = 0;
  }

  // Reading past the last byte makes libzip compare the checksum.
  void check_end() {
    char byte = 0;
    const auto n = zip_fread(entry_.get(), &byte, 1);
    if (n < 0) damaged(zip_file_strerror(entry_.get()));
    if (n > 0) damaged("an array is longer than the archive says");
  }

  void load() {
    if (size_ > kMostInMemory) {
      throw FormatError(
          fmt::format("{}: it is in Fortran order and larger than 256 MiB: save it as "
                      ".npy, or in C order with numpy.ascontiguousarray",
                      name_));
    }
    open_entry();
    memory_.resize(static_cast<std::size_t>(size_));
    if (read(memory_.data(), memory_.size()) != memory_.size()) damaged("it ends too early");
  }

  Archive archive_;
  Entry entry_;
  std::string key_, name_;
  std::int64_t size_ = 0, n_read_ = 0;
  std::vector<char> memory_;
};

}  // namespace

std::unique_ptr<ArrayReader> open_npz(const std::filesystem::path& file, const std::string& key,
                                      std::string) {
  auto source = std::make_unique<ZipSource>(file.string(), key);
  std::string name = source->name();
  return read_npy(std::move(source), std::move(name));
}

}  // namespace calsweep::imported

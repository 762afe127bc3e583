#include "sweeps/imported/array_reader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sweeps/errors.hpp"

namespace calsweep::imported {

namespace fs = std::filesystem;

std::string ArrayReader::row_text(std::int64_t row) const {
  return fmt::format("row {} (from 0)", row);
}

void check_shape(const ArrayDescription& description) {
  const auto& shape = description.shape;
  const std::string text = fmt::format("({})", fmt::join(shape, ", "));
  if (shape.empty() || shape.size() > 2) {
    throw FormatError(
        fmt::format("{} has the shape {}: expected [rows, classes] for outputs, "
                    "[rows] for labels",
                    description.name, text));
  }
  constexpr std::int64_t kMost = std::int64_t{1} << 53;
  std::int64_t product = 1;
  for (const auto size : shape) {
    if (size <= 0) {
      throw FormatError(fmt::format("{} is empty: its shape is {}", description.name, text));
    }
    if (size > kMost / product) {
      throw FormatError(fmt::format("{} claims the shape {}, which no file can hold: it is damaged",
                                    description.name, text));
    }
    product *= size;
  }
}

std::unique_ptr<ArrayReader> open_array(const FileReference& reference,
                                        const OpenOptions& options) {
  const fs::path file = options.folder / reference.file;
  std::error_code error;
  const auto status = fs::status(file, error);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    throw FormatError(fmt::format("{} is no file, but a {}", file.string(),
                                  fs::is_directory(status) ? "directory" : "device or pipe"));
  }
  if (error && status.type() != fs::file_type::not_found) {
    throw FormatError(fmt::format("{} cannot be read: {}", file.string(), error.message()));
  }
  if (!fs::is_regular_file(status)) {
    throw FormatError(
        fmt::format("there is no file {}: relative names start in {}; --data FOLDER "
                    "names another folder",
                    file.string(), options.folder.empty() ? "." : options.folder.string()));
  }
  std::string name = file.string();
  if (!reference.inside.empty()) name += ":" + reference.inside;
  switch (reference.kind) {
    case FileKind::Npy:
      return open_npy(file, std::move(name));
    case FileKind::Npz:
      return open_npz(file, reference.inside, std::move(name));
    case FileKind::Hdf5:
      return open_hdf5(file, reference.inside, std::move(name));
    case FileKind::Csv:
      return open_csv(file, reference.inside, options, std::move(name));
  }
  return nullptr;
}

}  // namespace calsweep::imported

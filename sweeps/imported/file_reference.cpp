#include "sweeps/imported/file_reference.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

namespace calsweep::imported {
namespace {

struct Extension {
  std::string_view text;
  FileKind kind;
};

constexpr std::array kExtensions = {
    Extension{".npy", FileKind::Npy},  Extension{".npz", FileKind::Npz},
    Extension{".h5", FileKind::Hdf5},  Extension{".hdf5", FileKind::Hdf5},
    Extension{".hdf", FileKind::Hdf5}, Extension{".csv", FileKind::Csv}};

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

// The file's name ends with the first extension that a colon follows, or with the text.
std::optional<FileReference> split(std::string_view text) {
  const std::string lower = lower_case(text);
  std::size_t first = std::string::npos;
  std::optional<FileReference> found;
  for (const auto& extension : kExtensions) {
    const auto at = lower.find(std::string(extension.text) + ":");
    if (at >= first) continue;
    first = at;
    const auto end = at + extension.text.size();
    found = {extension.kind, std::string(text.substr(0, end)), std::string(text.substr(end + 1))};
  }
  if (found) return found;
  for (const auto& extension : kExtensions) {
    if (lower.ends_with(extension.text))
      return FileReference{extension.kind, std::string(text), ""};
  }
  return {};
}

}  // namespace

std::string problem_of_reference(std::string_view text) {
  const auto reference = split(text);
  if (!reference) {
    return fmt::format(
        "\"{}\" is of no known kind; possible: .npy, .npz (\"a.npz:key\"), .h5, "
        ".hdf5 (\"a.h5:/group/data\"), .csv (\"a.csv:column\"). PyTorch: "
        "numpy.save(\"a.npy\", tensor.cpu().numpy())",
        text);
  }
  if (reference->kind == FileKind::Npy && !reference->inside.empty()) {
    return fmt::format("\"{}\": an .npy file holds one array, so nothing can follow its name",
                       text);
  }
  return "";
}

FileReference parse_reference(std::string_view text) {
  return split(text).value_or(FileReference{FileKind::Npy, std::string(text), ""});
}

}  // namespace calsweep::imported

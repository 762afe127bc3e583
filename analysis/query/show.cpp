#include "analysis/query/show.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "analysis/query/grid_results.hpp"
#include "analysis/query/table_format.hpp"
#include "analysis/statistics/wilcoxon.hpp"

namespace calsweep::analysis {
namespace {

struct Glyphs {
  const char *plus_minus, *lower, *higher, *dash;
};
constexpr Glyphs kUnicode = {"±", "▼", "▲", "–"};
constexpr Glyphs kAscii = {"+-", "v", "^", "-"};

void end_line(std::string& text) {
  text.erase(text.find_last_not_of(' ') + 1);
  text += "\n";
}

enum class Mark { None, Better, Worse };

/// One table cell: the text without colour, so that its width can be counted.
struct CellText {
  std::string text;
  Mark mark = Mark::None;
};

/// A rectangle of cells with labels, printed in chunks of as many columns as fit.
struct Block {
  std::string corner;
  std::vector<std::string> row_labels, column_labels;
  std::vector<std::vector<CellText>> cells;  // [row][column]
};

class Painter {
 public:
  Painter(const GridResults& grid, const ShowStyle& style)
      : grid_(grid), style_(style), glyphs_(style.ascii ? kAscii : kUnicode) {}

  std::string paint() {
    std::string text = wrapped(fmt::format("{}: {}, mean {} sd over seeds{}", grid_.sweep,
                                           grid_.title, glyphs_.plus_minus, better_note()),
                               style_.width) +
                       "\n\n";
    compact_ = !fits_uncompacted();
    if (grid_.axes.size() < 2) {
      text += print(methods_block());
      text += "\n" + tallies();
    } else {
      for (const auto& method : grid_.methods) text += paint_method(method) + "\n";
    }
    return text + legend();
  }

 private:
  std::string better_note() const {
    if (grid_.better == "none") return "";
    return fmt::format(" ({} is better)", grid_.better);
  }

  // ---- cells --------------------------------------------------------------------------------
  Mark mark_of(const GridEntry& entry) const {
    if (entry.verdict == "better") return Mark::Better;
    return entry.verdict == "worse" ? Mark::Worse : Mark::None;
  }

  std::string number(double value) const {
    std::string text = fmt::format("{:.{}f}", value, compact_ ? 3 : 4);
    if (compact_ && text.starts_with("0.")) text.erase(0, 1);
    if (compact_ && text.starts_with("-0.")) text.erase(1, 1);
    return text;
  }

  CellText cell(const std::optional<GridEntry>& entry, std::int64_t usual_n) const {
    if (!entry) return {"", Mark::None};
    if (!entry->mean) return {glyphs_.dash, Mark::None};
    CellText made{number(*entry->mean), mark_of(*entry)};
    if (entry->sd) made.text += glyphs_.plus_minus + number(*entry->sd);
    made.text += arrow(made.mark);
    if (entry->n != usual_n) made.text += fmt::format(" n={}", entry->n);
    return made;
  }

  /// The arrow says where the value went, the legend whether that is good.
  std::string arrow(Mark mark) const {
    if (mark == Mark::None) return " ";
    const bool went_down = (mark == Mark::Better) == (grid_.better == "lower");
    return went_down ? glyphs_.lower : glyphs_.higher;
  }

  std::string painted(const CellText& cell, std::size_t width) const {
    const std::string space(width - std::min(width, display_width(cell.text)), ' ');
    if (!style_.color || cell.mark == Mark::None) return space + cell.text;
    const char* color = cell.mark == Mark::Better ? "\x1b[32m" : "\x1b[31m";
    return space + color + cell.text + "\x1b[0m";
  }

  // ---- blocks -------------------------------------------------------------------------------
  bool fits_uncompacted() const {
    const std::size_t cell_width = 2 + 6 + display_width(glyphs_.plus_minus) + 6 + 1;
    std::size_t columns = 1;
    if (grid_.axes.size() == 1) columns = grid_.axes[0].values.size();
    if (grid_.axes.size() > 1) columns = grid_.axes[column_axis()].values.size();
    return 16 + columns * cell_width <= style_.width;
  }

  /// The two axes with the most values; of equal ones the first declared.
  std::vector<std::size_t> largest_axes() const {
    std::vector<std::size_t> order(grid_.axes.size());
    for (std::size_t a = 0; a < order.size(); ++a) order[a] = a;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return grid_.axes[a].values.size() > grid_.axes[b].values.size();
    });
    order.resize(2);
    std::sort(order.begin(), order.end());
    return order;
  }
  std::size_t row_axis() const { return largest_axes()[0]; }
  std::size_t column_axis() const { return largest_axes()[1]; }

  std::string rest_label(const std::vector<std::size_t>& cell) const {
    std::string label;
    for (std::size_t a = 0; a < grid_.axes.size(); ++a) {
      if (a == row_axis() || a == column_axis()) continue;
      label += fmt::format("{}{}={}", label.empty() ? "" : ", ", grid_.axes[a].name,
                           grid_.axes[a].values[cell[a]]);
    }
    return label;
  }

  std::string paint_method(const GridMethod& method) const {
    std::string text = heading(method) + "\n";
    const auto rows = row_axis();
    const auto columns = column_axis();
    std::vector<std::string> labels;
    std::vector<Block> blocks;
    for (std::size_t c = 0; c < grid_.cells.size(); ++c) {
      const auto label = rest_label(grid_.cells[c]);
      const auto at = std::find(labels.begin(), labels.end(), label);
      const auto b = static_cast<std::size_t>(at - labels.begin());
      if (at == labels.end()) {
        labels.push_back(label);
        blocks.push_back(empty_block(rows, columns));
      }
      blocks[b].cells[grid_.cells[c][rows]][grid_.cells[c][columns]] =
          cell(method.entries[c], largest_n(method));
    }
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      if (!labels[b].empty()) text += "  " + labels[b] + "\n";
      text += print(blocks[b]);
    }
    return text;
  }

  Block empty_block(std::size_t rows, std::size_t columns) const {
    Block block;
    block.corner = grid_.axes[rows].name + " \\ " + grid_.axes[columns].name;
    block.row_labels = grid_.axes[rows].values;
    block.column_labels = grid_.axes[columns].values;
    block.cells.assign(block.row_labels.size(), std::vector<CellText>(block.column_labels.size()));
    return block;
  }

  /// At most one axis: methods as rows.
  Block methods_block() const {
    Block block;
    block.corner = grid_.axes.empty() ? "method" : "method \\ " + grid_.axes[0].name;
    block.column_labels =
        grid_.axes.empty() ? std::vector<std::string>{grid_.metric} : grid_.axes[0].values;
    for (const auto& method : grid_.methods) {
      block.row_labels.push_back(method.name);
      auto& row = block.cells.emplace_back(block.column_labels.size());
      for (std::size_t c = 0; c < grid_.cells.size(); ++c) {
        row[grid_.axes.empty() ? 0 : grid_.cells[c][0]] =
            cell(method.entries[c], largest_n(method));
      }
    }
    return block;
  }

  std::string print(const Block& block) const {
    std::size_t label_width = display_width(block.corner);
    for (const auto& label : block.row_labels) {
      label_width = std::max(label_width, display_width(label));
    }
    std::size_t width = 0;
    for (const auto& label : block.column_labels) width = std::max(width, display_width(label) + 1);
    for (const auto& row : block.cells) {
      for (const auto& entry : row) width = std::max(width, display_width(entry.text));
    }
    const std::size_t room = style_.width > label_width + 2 ? style_.width - label_width - 2 : 1;
    const std::size_t per_line = std::max<std::size_t>(1, room / (width + 2));
    std::string text;
    for (std::size_t first = 0; first < block.column_labels.size(); first += per_line) {
      text += print_columns(block, first, std::min(block.column_labels.size(), first + per_line),
                            label_width, width);
    }
    return text;
  }

  std::string print_columns(const Block& block, std::size_t first, std::size_t end,
                            std::size_t label_width, std::size_t width) const {
    const auto label = [&](const std::string& text) {
      return "  " + std::string(label_width - display_width(text), ' ') + text;
    };
    std::string text = label(block.corner);
    // Numbers end one place before the mark, and so do the labels above them.
    for (std::size_t c = first; c < end; ++c) {
      text += "  " + painted({block.column_labels[c] + " ", Mark::None}, width);
    }
    end_line(text);
    for (std::size_t r = 0; r < block.row_labels.size(); ++r) {
      text += label(block.row_labels[r]);
      for (std::size_t c = first; c < end; ++c) text += "  " + painted(block.cells[r][c], width);
      end_line(text);
    }
    return text;
  }

  // ---- verdicts -----------------------------------------------------------------------------
  std::string verdicts(const GridMethod& method) const {
    if (method.is_reference) return "reference";
    if (!grid_.compared) return "";
    return sentence(tally(method, grid_.alpha));
  }

  std::string heading(const GridMethod& method) const {
    const auto text = verdicts(method);
    const std::string name = style_.color ? "\x1b[1m" + method.name + "\x1b[0m" : method.name;
    const auto n = largest_n(method);
    const char* kind = !method.is_ensemble ? "" : n == 1 ? " ensemble" : " ensembles";
    const auto replicates = n == grid_.n_seeds ? "" : fmt::format(" (n = {}{})", n, kind);
    return wrapped(name + replicates + (text.empty() ? "" : ": " + text), style_.width);
  }

  std::string tallies() const {
    std::string text;
    for (const auto& method : grid_.methods) {
      if (!method.is_reference && grid_.compared) text += heading(method) + "\n";
    }
    return text.empty() ? text : text + "\n";
  }

  std::string legend() const {
    std::vector<std::string> sentences;
    if (grid_.n_seeds == 1) {
      sentences.push_back(
          "One seed: no standard deviation and no test. More seeds: `calsweep power` says how "
          "many.");
    } else if (grid_.compared) {
      const bool down_is_better = grid_.better == "lower";
      sentences.push_back(fmt::format(
          "{} better, {} worse than {}; unmarked: no significant difference at {}.",
          down_is_better ? glyphs_.lower : glyphs_.higher,
          down_is_better ? glyphs_.higher : glyphs_.lower, grid_.reference, grid_.alpha));
      sentences.push_back(fmt::format(
          "Wilcoxon signed-rank test paired by seed, {} p, Holm over the cells of a method. {} "
          "seeds.",
          grid_.n_seeds > kExactSignedRankLimit ? "asymptotic" : "exact", grid_.n_seeds));
    } else {
      sentences.push_back(fmt::format("{} seeds.", grid_.n_seeds));
    }
    if (grid_.n_missing > 0) {
      sentences.push_back(fmt::format(
          "{} replicates have no results; why: `calsweep query DIR missing`.", grid_.n_missing));
    }
    std::string text;
    for (const auto& sentence : sentences) text += wrapped(sentence, style_.width) + "\n";
    return text;
  }

  const GridResults& grid_;
  const ShowStyle& style_;
  Glyphs glyphs_;
  bool compact_ = false;
};

}  // namespace

std::string show(const std::filesystem::path& results_db, const ShowStyle& style) {
  const auto grid = read_grid(results_db, style.metric);
  return Painter(grid, style).paint();
}

}  // namespace calsweep::analysis

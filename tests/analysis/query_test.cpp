#include "analysis/query/query.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "analysis/query/table_format.hpp"
#include "analysis/results/results_db.hpp"
#include "sweeps/errors.hpp"
#include "tests/analysis/synthetic_run.hpp"

namespace calsweep::analysis {
namespace {

class QueryTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    run_ = new fixtures::TemporaryRun();
    const auto sweep = fixtures::make_sweep(fixtures::small_spec(3));
    fixtures::write_units(sweep, run_->directory());
    analyze(sweep, run_->directory());
  }
  static void TearDownTestSuite() {
    delete run_;
    run_ = nullptr;
  }
  static QueryTable ask(std::string_view question) {
    return run_query(run_->directory().results(), question);
  }
  static std::string error_of(std::string_view question) {
    try {
      ask(question);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "no error";
  }
  static fixtures::TemporaryRun* run_;
};
fixtures::TemporaryRun* QueryTest::run_ = nullptr;

TEST_F(QueryTest, answers_sql) {
  const auto table = ask("  SELECT depth, count(*) AS n FROM cell GROUP BY depth; ");
  EXPECT_EQ(table.columns, (std::vector<std::string>{"depth", "n"}));
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(std::get<std::int64_t>(table.rows[1][0]), 4);
}

TEST_F(QueryTest, every_ready_made_query_works) {
  for (const auto& query : named_queries()) {
    SCOPED_TRACE(query.name);
    const auto table = ask(query.name);
    EXPECT_FALSE(table.columns.empty());
    const bool may_be_empty =
        query.name == "missing" || query.name == "damaged" || query.name == "significant";
    EXPECT_TRUE(may_be_empty || !table.rows.empty());
    EXPECT_NE(list_named_queries().find(query.description), std::string::npos);
  }
}

TEST_F(QueryTest, the_schema_query_describes_every_object) {
  // sqlite_master is the independent source.
  const auto described = ask("schema");
  const auto actual = ask("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')");
  EXPECT_EQ(described.rows.size(), actual.rows.size());
  for (const auto& row : described.rows) {
    EXPECT_TRUE(std::holds_alternative<std::string>(row[3])) << std::get<std::string>(row[0]);
  }
}

TEST_F(QueryTest, refuses_everything_that_writes) {
  const auto before = fixtures::dump_results(run_->directory().results());
  const auto target = run_->directory().root() / "stolen.db";
  const std::string writing[] = {"DELETE FROM metric",
                                 "UPDATE metric SET value = 0",
                                 "INSERT INTO meta VALUES ('a', 'b')",
                                 "DROP TABLE metric",
                                 "CREATE TEMP TABLE x (a)",
                                 "CREATE TABLE x (a)",
                                 "ATTACH '" + target.string() + "' AS y",
                                 "VACUUM INTO '" + target.string() + "'",
                                 "PRAGMA user_version = 5",
                                 "PRAGMA journal_mode = WAL",
                                 "PRAGMA writable_schema = 1",
                                 "BEGIN IMMEDIATE",
                                 "SELECT load_extension('x')",
                                 "WITH x AS (SELECT 1) DELETE FROM metric"};
  for (const auto& sql : writing) {
    EXPECT_NE(error_of(sql).find("only read here"), std::string::npos) << sql << error_of(sql);
  }
  EXPECT_FALSE(fs::exists(target));
  EXPECT_EQ(fixtures::dump_results(run_->directory().results()), before);
}

TEST_F(QueryTest, explains_bad_sql_and_names) {
  EXPECT_NE(error_of("SELEC 1").find("syntax error"), std::string::npos);
  EXPECT_NE(error_of("SELECT * FROM cells").find("no such table: cells"), std::string::npos);
  EXPECT_NE(error_of("SELECT * FROM cells").find("Views: cell_summary"), std::string::npos);
  EXPECT_NE(error_of("sumary").find("did you mean \"summary\"?"), std::string::npos);
  EXPECT_NE(error_of("sumary").find("Ready-made queries"), std::string::npos);
  EXPECT_NE(error_of("SELECT 1; SELECT 2").find("one statement at a time"), std::string::npos);
  EXPECT_NE(error_of("  ").find("the query is empty"), std::string::npos);
}

TEST_F(QueryTest, says_what_to_do_without_results) {
  const fixtures::TemporaryRun empty;
  try {
    run_query(empty.directory().results(), "summary");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("run `calsweep analyze"), std::string::npos);
  }
  std::ofstream(empty.directory().results()) << std::string(200, 'x');
  EXPECT_THROW(run_query(empty.directory().results(), "summary"), UsageError);
}

const QueryTable kTable = {{"name", "value", "name"},
                           {{std::string("a,\"b\""), 0.1, std::int64_t{7}},
                            {std::string("ü|x\ny"), std::monostate(), std::int64_t{-12}}}};

TEST(TableFormatTest, csv_follows_rfc_4180) {
  EXPECT_EQ(format_table(kTable, TableFormat::Csv),
            "name,value,name\r\n\"a,\"\"b\"\"\",0.1,7\r\n\"ü|x\ny\",,-12\r\n");
}

TEST(TableFormatTest, json_is_an_array_of_objects_with_null) {
  const auto json = nlohmann::json::parse(format_table(kTable, TableFormat::Json));
  ASSERT_EQ(json.size(), 2U);
  EXPECT_EQ(json[0].at("value").get<double>(), 0.1);
  EXPECT_TRUE(json[1].at("value").is_null());
  EXPECT_EQ(json[1].at("name_2").get<int>(), -12);
  EXPECT_EQ(format_table({{"a"}, {}}, TableFormat::Json), "[]\n");
}

TEST(TableFormatTest, doubles_round_trip_in_csv_and_json) {
  const double value = 0.1 + 0.2;
  const QueryTable table = {{"x"}, {{value}}};
  EXPECT_EQ(nlohmann::json::parse(format_table(table, TableFormat::Json))[0].at("x"), value);
  EXPECT_EQ(std::stod(format_table(table, TableFormat::Csv).substr(3)), value);
}

TEST(TableFormatTest, table_and_markdown_align) {
  EXPECT_EQ(format_table(kTable, TableFormat::Table),
            "name   value  name\n"
            "-----  -----  ----\n"
            "a,\"b\"    0.1     7\n"
            "ü|x y      -   -12\n");
  EXPECT_EQ(format_table(kTable, TableFormat::Markdown),
            "| name   | value | name |\n"
            "| ------ | ----: | ---: |\n"
            "| a,\"b\"  |   0.1 |    7 |\n"
            "| ü\\|x y |     - |  -12 |\n");
}

TEST(TableFormatTest, refuses_unknown_formats) {
  EXPECT_EQ(table_format_from("json"), TableFormat::Json);
  try {
    table_format_from("markdwn");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("did you mean \"markdown\"?"), std::string::npos);
  }
}

}  // namespace
}  // namespace calsweep::analysis

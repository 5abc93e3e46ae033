#include "server/resp/command_table.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "base/prng.h"
#include "server/resp/glob.h"
#include "server/resp/key_conflicts.h"

namespace gyre {
namespace {

std::string Upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return upper;
}

// Goal: every row is found by its own name in any case, and nothing else is.
TEST(CommandTableTest, FindsEveryCommand) {
  for (const CommandSpec& spec : AllCommands()) {
    const std::size_t bar = spec.name.find('|');
    if (bar == std::string_view::npos) {
      EXPECT_EQ(FindCommand(spec.name), &spec);
      EXPECT_EQ(FindCommand(Upper(spec.name)), &spec);
      EXPECT_EQ(FindCommand(std::string(spec.name) + "!"), nullptr);
      continue;
    }
    const CommandSpec* container = FindCommand(spec.name.substr(0, bar));
    ASSERT_NE(container, nullptr);
    EXPECT_TRUE(container->HasSubcommands());
    EXPECT_EQ(FindSubcommand(*container, Upper(spec.name.substr(bar + 1))), &spec);
    EXPECT_EQ(FindCommand(spec.name), nullptr);
  }
  for (const char* name : {"", "g", "ge", "gett", "client|", "|", "kv", "kv.", "\xff\xff"}) {
    EXPECT_EQ(FindCommand(name), nullptr) << name;
  }
  EXPECT_EQ(FindCommand(std::string(100'000, 'g')), nullptr);
}

// Goal: what dispatch relies on holds for every row.
TEST(CommandTableTest, RowsAreConsistent) {
  for (const CommandSpec& spec : AllCommands()) {
    SCOPED_TRACE(spec.name);
    EXPECT_FALSE(spec.summary.empty());
    EXPECT_NE(spec.arity, 0);
    const bool keyed = spec.access == KeyAccess::kRead || spec.access == KeyAccess::kSet ||
                       spec.access == KeyAccess::kWrite;
    EXPECT_EQ(keyed, spec.first_key > 0);
    if (keyed) {
      EXPECT_GT(spec.key_step, 0);
      // The arity makes sure of the first key.
      EXPECT_GT(std::abs(spec.arity), spec.first_key);
      EXPECT_EQ(spec.access != KeyAccess::kRead, (spec.flags & CommandSpec::kFlagWrite) != 0);
    }
    EXPECT_TRUE(spec.handler != nullptr || spec.HasSubcommands());
  }
  EXPECT_TRUE(FindCommand("get")->MatchesArity(2));
  EXPECT_FALSE(FindCommand("get")->MatchesArity(3));
  EXPECT_TRUE(FindCommand("set")->MatchesArity(9));
  EXPECT_FALSE(FindCommand("set")->MatchesArity(2));
}

// Goal: docs/commands.md says what the table says.
TEST(CommandDocsTest, CheckedInPageIsUpToDate) {
  const std::filesystem::path page =
      std::filesystem::path(__FILE__).parent_path() / "../../../docs/commands.md";
  if (std::getenv("GYRE_UPDATE_DOCS") != nullptr) {
    std::ofstream(page) << RenderCommandsMarkdown();
  }
  std::ifstream file(page);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), RenderCommandsMarkdown())
      << "run this test with GYRE_UPDATE_DOCS=1 and check the page in";
}

struct GlobCase {
  const char* pattern;
  const char* text;
  bool matches;
};

// Goal: patterns mean what they mean to Redis.
TEST(GlobTest, AsRedis) {
  const GlobCase cases[] = {
      {"*", "", true},
      {"*", "abc", true},
      {"", "", true},
      {"", "a", false},
      {"a", "a", true},
      {"a", "A", false},
      {"?", "a", true},
      {"?", "", false},
      {"a*c", "abbc", true},
      {"a*c", "abbd", false},
      {"*b*", "abc", true},
      {"**", "x", true},
      {"a?c", "abc", true},
      {"[a-c]x", "bx", true},
      {"[a-c]x", "dx", false},
      {"[c-a]x", "bx", true},
      {"[^a-c]x", "dx", true},
      {"[^a-c]x", "bx", false},
      {"[abc]", "c", true},
      {"[abc]", "", false},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"a\\", "a\\", true},
      {"[\\]]", "]", true},
      {"[a", "a", true},
      {"[a", "b", false},
      {"[]x", "x", false},
      {"h[ae]llo*", "hello world", true},
      {"*abc*abd", "xxabcyyabcabd", true},
      {"user:*:name", "user:12:name", true},
  };
  for (const GlobCase& c : cases) {
    EXPECT_EQ(GlobMatch(c.pattern, c.text), c.matches) << c.pattern << " on " << c.text;
  }
  EXPECT_TRUE(GlobMatch("MAXmem*", "maxMEMory", /*ignore_case=*/true));
  EXPECT_TRUE(GlobMatch("[A-C]", "b", /*ignore_case=*/true));
}

// Goal: scenario 35: a pattern bomb takes no longer than text times pattern.
TEST(GlobTest, PatternBombsEnd) {
  std::string bomb;
  for (int i = 0; i < 500; ++i) bomb += "*a";
  bomb += "b";
  EXPECT_FALSE(GlobMatch(bomb, std::string(65'536, 'a')));
}

// Goal: the flat table agrees with plain counting, also when entries collide and go.
TEST(KeyConflictsTest, AgreesWithCounting) {
  Prng prng(5);
  KeyConflicts conflicts;
  std::map<std::uint64_t, std::array<int, 3>> model;
  std::vector<std::pair<std::uint64_t, KeyAccess>> held;
  const KeyAccess kinds[] = {KeyAccess::kRead, KeyAccess::kSet, KeyAccess::kWrite};
  for (int step = 0; step < 200'000; ++step) {
    const std::uint64_t hash = prng.Below(300) * (prng.Chance(500'000) ? 1 : (1ull << 40));
    const std::size_t kind = prng.Below(3);
    const auto& counts = model[hash];
    const int others = kind == 0   ? counts[1] + counts[2]
                       : kind == 1 ? counts[0] + counts[2]
                                   : counts[0] + counts[1] + counts[2];
    ASSERT_EQ(conflicts.Conflicts(hash, kinds[kind]), others > 0);
    const bool grow = (step / 10'000) % 2 == 0;
    if (held.empty() || prng.Chance(grow ? 600'000 : 300'000)) {
      conflicts.Add(hash, kinds[kind]);
      ++model[hash][kind];
      held.emplace_back(hash, kinds[kind]);
    } else {
      const std::size_t at = prng.Below(held.size());
      conflicts.Remove(held[at].first, held[at].second);
      --model[held[at].first][static_cast<std::size_t>(
          std::find(std::begin(kinds), std::end(kinds), held[at].second) - std::begin(kinds))];
      held[at] = held.back();
      held.pop_back();
    }
  }
  for (const auto& [hash, kind] : held) conflicts.Remove(hash, kind);
  EXPECT_EQ(conflicts.size(), 0u);
}

}  // namespace
}  // namespace gyre

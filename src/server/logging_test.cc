#include "server/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <nlohmann/json.hpp>

namespace gyre {
namespace {

constexpr WallTime kTime{1'700'000'000'123};

// Goal: hostile text (quotes, line breaks, broken UTF-8) stays within its own JSON string.
TEST(LoggingTest, JsonLinesEscapeWhatComesFromOutside) {
  const std::string line =
      JsonLogLine(kTime, LogLevel::kWarning, "peer_down", "it said \"bye\"\nand\tleft \xFF",
                  {{"key", "a\"},{\"level\":\"error"}, {"umlaut", "\xC3\xBC"}, {"n", 7}});
  EXPECT_EQ(line,
            "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"warning\",\"event\":\"peer_down\","
            "\"message\":\"it said \\\"bye\\\"\\u000aand\\u0009left \\u00ff\","
            "\"key\":\"a\\\"},{\\\"level\\\":\\\"error\",\"umlaut\":\"\xC3\xBC\",\"n\":\"7\"}");
  EXPECT_EQ(nlohmann::json::parse(line).at("key"), "a\"},{\"level\":\"error");
}

// Goal: whatever the bytes, one event is one line of valid JSON, and one line of text.
TEST(LoggingTest, AnyBytesGiveOneValidLine) {
  EXPECT_TRUE(rc::check([](const std::string& message, const std::string& value) {
    const std::string json =
        JsonLogLine(kTime, LogLevel::kInfo, "event", message, {{"value", value}});
    RC_ASSERT(json.find('\n') == std::string::npos);
    RC_ASSERT(nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false).is_object());
    const std::string text =
        TextLogLine(kTime, LogLevel::kInfo, "event", message, {{"value", value}});
    RC_ASSERT(text.find_first_of("\n\r\x1b") == std::string::npos);
  }));
}

// Goal: a huge value does not make a huge log.
TEST(LoggingTest, LongValuesAreCut) {
  const std::string huge(1'000'000, 'x');
  EXPECT_LT(JsonLogLine(kTime, LogLevel::kInfo, "e", huge, {{"v", huge}}).size(), 10'000u);
  EXPECT_LT(TextLogLine(kTime, LogLevel::kInfo, "e", huge, {{"v", huge}}).size(), 10'000u);
}

// Goal: the level decides what is written; lines go to stderr as they are.
TEST(LoggingTest, WritesOnlyFromItsLevelOn) {
  testing::internal::CaptureStderr();
  {
    const std::unique_ptr<Log> log = OpenLog({LogLevel::kWarning, LogFormat::kJson});
    log->Write(LogLevel::kInfo, "quiet", "not {} shown %v", {});
    log->Write(LogLevel::kError, "loud", "shown {} %v", {});
  }
  const std::string lines = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 1);
  const auto json = nlohmann::json::parse(lines);
  EXPECT_EQ(json.at("event"), "loud");
  EXPECT_EQ(json.at("message"), "shown {} %v");
}

// Goal: levels are read as they are written.
TEST(LoggingTest, ParsesItsLevelNames) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    EXPECT_EQ(ParseLogLevel(LogLevelName(level)).value(), level);
  }
  EXPECT_FALSE(ParseLogLevel("INFO"));
}

}  // namespace
}  // namespace gyre

#include "server/logging.h"

#include <spdlog/common.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>

namespace gyre {
namespace {

constexpr std::size_t kValueBytesShown = 4096;  // of one message or field

// Length of the well-formed UTF-8 sequence at the front of `text`; 0 if there is none.
std::size_t Utf8Length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t length = first < 0x80                     ? 1
                             : first >= 0xC2 && first <= 0xDF ? 2
                             : first >= 0xE0 && first <= 0xEF ? 3
                             : first >= 0xF0 && first <= 0xF4 ? 4
                                                              : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and what lies past U+10FFFF.
  if (first == 0xE0 && byte(1) < 0xA0) return 0;
  if (first == 0xED && byte(1) > 0x9F) return 0;
  if (first == 0xF0 && byte(1) < 0x90) return 0;
  if (first == 0xF4 && byte(1) > 0x8F) return 0;
  return length;
}

// A JSON string of any bytes: what is not UTF-8 becomes U+00xx, byte by byte.
void AppendJson(std::string& out, std::string_view text) {
  const bool cut = text.size() > kValueBytesShown;
  if (cut) text = text.substr(0, kValueBytesShown);
  out += '"';
  while (!text.empty()) {
    const auto c = static_cast<unsigned char>(text.front());
    const std::size_t length = Utf8Length(text);
    if (length > 1) {
      out += text.substr(0, length);
      text.remove_prefix(length);
      continue;
    }
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20 || c >= 0x7F) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      out += escape;
    } else {
      out += static_cast<char>(c);
    }
    text.remove_prefix(1);
  }
  out += cut ? "...\"" : "\"";
}

// As it is if that is unmistakable, else quoted.
void AppendText(std::string& out, std::string_view text) {
  const bool plain =
      !text.empty() && text.size() <= kValueBytesShown &&
      text.find_first_of(" \"=\\") == std::string_view::npos &&
      std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (plain) {
    out += text;
  } else {
    AppendJson(out, text);
  }
}

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info,
                                                   spdlog::level::warn, spdlog::level::err};
  return kLevels[static_cast<std::size_t>(level)];
}

// The line is complete when it reaches spdlog: its own patterns would not escape (a quote in a
// message breaks JSON by pattern).
class LineFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    out.append(message.payload.begin(), message.payload.end());
    out.push_back('\n');
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<LineFormatter>();
  }
};

class StderrLog final : public Log {
 public:
  explicit StderrLog(const LogOptions& options)
      : json_(options.format == LogFormat::kJson ||
              (options.format == LogFormat::kAuto && isatty(STDERR_FILENO) == 0)),
        logger_("gyre", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_formatter(std::make_unique<LineFormatter>());
    logger_.set_level(SpdlogLevel(options.level));
    logger_.flush_on(spdlog::level::debug);
  }

  void Write(LogLevel level, std::string_view event, std::string_view message,
             std::initializer_list<LogField> fields) override {
    if (!logger_.should_log(SpdlogLevel(level))) return;
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    const WallTime now{std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count()};
    const std::string line = json_ ? JsonLogLine(now, level, event, message, fields)
                                   : TextLogLine(now, level, event, message, fields);
    logger_.log(SpdlogLevel(level), spdlog::string_view_t(line.data(), line.size()));
  }

 private:
  const bool json_;
  spdlog::logger logger_;
};

}  // namespace

std::string TimeText(WallTime time) {
  const std::time_t seconds = static_cast<std::time_t>(time.ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char date[32];
  const std::size_t size = std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
  char millis[8];
  std::snprintf(millis, sizeof millis, ".%03dZ", static_cast<int>(time.ms % 1000));
  return std::string(date, size) + millis;
}

Result<LogLevel> ParseLogLevel(std::string_view text) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    if (LogLevelName(level) == text) return level;
  }
  return Fail(ErrorCode::kInvalidArgument, "debug, info, warning or error");
}

std::string JsonLogLine(WallTime time, LogLevel level, std::string_view event,
                        std::string_view message, std::initializer_list<LogField> fields) {
  std::string line = "{\"time\":\"" + TimeText(time) + "\",\"level\":\"";
  line += LogLevelName(level);
  line += "\",\"event\":";
  AppendJson(line, event);
  line += ",\"message\":";
  AppendJson(line, message);
  for (const LogField& field : fields) {
    line += ',';
    AppendJson(line, field.name);
    line += ':';
    AppendJson(line, field.value);
  }
  return line + "}";
}

std::string TextLogLine(WallTime time, LogLevel level, std::string_view event,
                        std::string_view message, std::initializer_list<LogField> fields) {
  std::string line = TimeText(time) + " ";
  line += LogLevelName(level);
  line.append(8 - LogLevelName(level).size(), ' ');
  for (const char c : message.substr(0, kValueBytesShown)) {
    line += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  }
  line += "  event=";
  AppendText(line, event);
  for (const LogField& field : fields) {
    line += ' ';
    line += field.name;
    line += '=';
    AppendText(line, field.value);
  }
  return line;
}

std::unique_ptr<Log> OpenLog(const LogOptions& options) {
  return std::make_unique<StderrLog>(options);
}

}  // namespace gyre

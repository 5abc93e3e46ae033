// Where rooms tell people what happened. There is no global logger: who writes is given a Log&.
// An event is a stable snake_case name that operators search for; the message is one sentence.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

namespace gyre {

enum class LogLevel : unsigned char { kDebug, kInfo, kWarning, kError };

constexpr std::string_view LogLevelName(LogLevel level) {
  constexpr std::string_view kNames[] = {"debug", "info", "warning", "error"};
  return kNames[static_cast<std::size_t>(level)];
}

struct LogField {
  LogField(std::string_view field_name, std::string_view text) : name(field_name), value(text) {}
  LogField(std::string_view field_name, std::integral auto number)
      : name(field_name), value(std::to_string(number)) {}

  std::string_view name;
  std::string value;
};

class Log {
 public:
  virtual ~Log() = default;
  // May be called from any thread; must not block for long. Text may hold bytes of any kind that
  // came from outside: the writer escapes them.
  virtual void Write(LogLevel level, std::string_view event, std::string_view message,
                     std::initializer_list<LogField> fields) = 0;
};

}  // namespace gyre

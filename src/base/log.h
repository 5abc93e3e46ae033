// Where the parts of a node write what an operator should know. An event is a short fixed name
// ("peer_up") to search for, the message a sentence for a person, fields the particulars. Callers
// pass values as they are; whoever writes the line escapes them. Safe to call from any thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace gyre {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError };

struct LogField {
  std::string_view name;
  std::string value;
};

class Log {
 public:
  virtual ~Log() = default;
  virtual void Write(LogLevel level, std::string_view event, std::string_view message,
                     std::initializer_list<LogField> fields) = 0;
};

}  // namespace gyre

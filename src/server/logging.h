// The process's log: one line per event on stderr, as text for a terminal or as JSON for machines.
// Values come from clients and peers, so every byte is escaped: one event is one line, always.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/time.h"
#include "server/config.h"

namespace gyre {

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kAuto;
};

// A log to stderr. Safe to use from all threads.
std::unique_ptr<Log> OpenLog(const LogOptions& options);

// "2026-01-31T12:00:00.123Z" (RFC 3339).
std::string TimeText(WallTime time);

// The lines themselves, without the newline.
std::string JsonLogLine(WallTime time, LogLevel level, std::string_view event,
                        std::string_view message, std::initializer_list<LogField> fields);
std::string TextLogLine(WallTime time, LogLevel level, std::string_view event,
                        std::string_view message, std::initializer_list<LogField> fields);

// Errors: kInvalidArgument. Accepts debug, info, warning, error.
Result<LogLevel> ParseLogLevel(std::string_view text);

}  // namespace gyre

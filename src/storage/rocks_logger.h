// RocksDB's own log lines, from warnings on, as events of ours. Without a Logger of ours RocksDB
// keeps a LOG file beside the data, and a full disk then trips an assertion inside it.
#pragma once

#include <rocksdb/env.h>

#include <cstdio>

#include "base/log.h"

namespace gyre {

class RocksLogger final : public rocksdb::Logger {
 public:
  explicit RocksLogger(Log* log) : Logger(rocksdb::InfoLogLevel::WARN_LEVEL), log_(log) {}

  void Logv(const char* format, va_list args) override {
    Logv(rocksdb::InfoLogLevel::INFO_LEVEL, format, args);
  }
  void Logv(const rocksdb::InfoLogLevel level, const char* format, va_list args) override {
    if (log_ == nullptr || level < GetInfoLogLevel() || level == rocksdb::HEADER_LEVEL) return;
    char line[1024];
    const int size = std::vsnprintf(line, sizeof line, format, args);
    if (size <= 0) return;
    auto shown = std::min(static_cast<std::size_t>(size), sizeof line - 1);
    while (shown > 0 && line[shown - 1] == '\n') --shown;
    log_->Write(level >= rocksdb::InfoLogLevel::ERROR_LEVEL ? LogLevel::kError : LogLevel::kWarning,
                "rocksdb", std::string_view(line, shown), {});
  }

 private:
  Log* const log_;
};

}  // namespace gyre

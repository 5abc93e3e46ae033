// For this room's tests: folders that go away, and a session that a test can wait for without
// sleep.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/codec.h"
#include "base/hash.h"
#include "storage/engine_options.h"

namespace gyre {

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = ::testing::TempDir() + "gyre-storage-XXXXXX";
    GYRE_CHECK(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class CapturedLog final : public Log {
 public:
  void Write(LogLevel, std::string_view event, std::string_view message,
             std::initializer_list<LogField>) override {
    {
      const std::lock_guard lock(mutex_);
      events_.emplace_back(event);
    }
    written_.notify_all();
    if (std::getenv("GYRE_TEST_LOG") != nullptr) {
      std::fprintf(stderr, "%s: %s\n", std::string(event).c_str(), std::string(message).c_str());
    }
  }
  std::size_t Count(std::string_view event) const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::count(events_.begin(), events_.end(), event));
  }
  // False if it does not come within 30 s.
  bool WaitForCount(std::string_view event, std::size_t count) const {
    std::unique_lock lock(mutex_);
    return written_.wait_for(lock, std::chrono::seconds(30), [&] {
      return static_cast<std::size_t>(std::count(events_.begin(), events_.end(), event)) >= count;
    });
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable written_;
  std::vector<std::string> events_;
};

// Small enough that a test's folder stays small.
inline EngineOptions SmallOptions(const std::string& path) {
  EngineOptions options;
  options.path = path;
  options.row_cache_bytes = 1 << 20;
  options.block_cache_bytes = 8 << 20;
  options.memtables_bytes = 16 << 20;
  options.free_space_floor_bytes = 0;
  options.ballast_bytes = 0;
  options.recovery_interval = Duration::Millis(20);
  options.open_files_max = 20;
  return options;
}

inline RowKey MakeKey(const std::string& key, std::uint32_t keyspace = 0) {
  return {KeyspaceId(keyspace), Xxh3_128(key), Bytes(key)};
}
inline Row MakeRow(const std::string& record, std::uint64_t n = 1) {
  return {{ActorId(0x0000AB00000000FFu), 7, n}, Bytes(record)};
}
// `size` bytes that do not compress, different for each seed.
inline std::string Noise(std::size_t size, std::uint64_t seed) {
  std::string bytes;
  while (bytes.size() < size) {
    const Hash128 block = Xxh3_128(std::to_string(seed) + ":" + std::to_string(bytes.size()));
    char text[16];
    Writer writer(text);
    writer.U64(block.high);
    writer.U64(block.low);
    bytes.append(text, sizeof text);
  }
  bytes.resize(size);
  return bytes;
}

// Turns bits of a byte over.
inline void FlipByte(const std::filesystem::path& file, std::uintmax_t at) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(at));
  const int byte = stream.get();
  stream.seekp(static_cast<std::streamoff>(at));
  stream.put(static_cast<char>(byte ^ 0x10));
  GYRE_CHECK(stream.good());
}

// Of a log that is filled with zeros ahead: where those begin. Its last byte must not be zero.
inline std::uintmax_t HeldBytes(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(stream)), {});
  return bytes.find_last_not_of('\0') + 1;
}

// One session, used as a shard's loop uses it: asks, flushes, polls when woken.
class TestSession {
 public:
  explicit TestSession(Engine& engine) : bell_(std::make_shared<Bell>()) {
    session_ = engine.OpenSession([bell = bell_] {
      std::unique_lock lock(bell->mutex);
      ++bell->rings;
      bell->rung.notify_one();
      bell->let_go.wait(lock, [&] { return !bell->hold_ringers; });
    });
  }

  // nullopt removes the row.
  RequestId Write(const RowKey& key, const std::optional<Row>& row, std::uint64_t leaf_delta = 0,
                  RequestId run = {}) {
    const RequestId id(++last_id_);
    session_->Write({id, key, row, leaf_delta, run});
    return id;
  }
  void Flush() { session_->Flush(); }
  void ExpectReads(const RowKey& first, const RowKey& last) { session_->ExpectReads(first, last); }
  Status Put(const RowKey& key, const std::optional<Row>& row, std::uint64_t leaf_delta = 0) {
    const RequestId id = Write(key, row, leaf_delta);
    Flush();
    return AwaitWrite(id);
  }
  Result<std::optional<Row>> Get(const RowKey& key) {
    const RequestId id(++last_id_);
    if (auto answer = session_->Read(id, key)) return *std::move(answer);
    return std::get<ReadDone>(Await(id)).row;
  }
  Status Remove(const RowKey& key, std::uint64_t leaf_delta = 0) {
    return Put(key, std::nullopt, leaf_delta);
  }
  // The row, where an error fails the test.
  std::optional<Row> Read(const RowKey& key) {
    Result<std::optional<Row>> row = Get(key);
    EXPECT_TRUE(row.has_value()) << row.error().message;
    return row.has_value() ? *std::move(row) : std::nullopt;
  }
  // nullopt: the answer comes through Poll, under the id that is set.
  std::optional<Result<std::optional<Row>>> TryGet(const RowKey& key, RequestId* id) {
    *id = RequestId(++last_id_);
    return session_->Read(*id, key);
  }
  Result<ScanPage> Scan(const ScanRange& range) {
    const RequestId id(++last_id_);
    session_->Scan(id, range);
    Flush();
    return std::get<ScanDone>(Await(id)).page;
  }
  // All pages of a keyspace, `rows_max` rows each.
  Result<std::vector<ScannedRow>> ScanAll(std::uint32_t keyspace, std::size_t rows_max,
                                          NodeId owed_to = NodeId()) {
    ScanRange range{owed_to, KeyspaceId(keyspace), Token{0, 0}, Token{UINT64_MAX, UINT64_MAX}};
    range.rows_max = rows_max;
    std::vector<ScannedRow> rows;
    while (true) {
      Result<ScanPage> page = Scan(range);
      if (!page) return Fail(page.error());
      for (ScannedRow& row : page->rows) rows.push_back(std::move(row));
      if (page->done) return rows;
      if (page->rows.empty() || page->rows.size() > rows_max) {
        return Fail(ErrorCode::kInvalidArgument, "a page is empty or too long");
      }
      range.after = rows.back().key;
    }
  }
  Status AwaitWrite(RequestId id) { return std::get<WriteDone>(Await(id)).status; }
  Completion Await(RequestId id) {
    while (true) {
      std::uint64_t seen = 0;
      {
        const std::lock_guard lock(bell_->mutex);
        seen = bell_->rings;
      }
      session_->Poll(arrived_);
      for (std::size_t i = 0; i < arrived_.size(); ++i) {
        const RequestId arrived_id = std::visit([](const auto& c) { return c.id; }, arrived_[i]);
        if (arrived_id != id) continue;
        Completion found = std::move(arrived_[i]);
        arrived_.erase(arrived_.begin() + static_cast<std::ptrdiff_t>(i));
        return found;
      }
      std::unique_lock lock(bell_->mutex);
      GYRE_CHECK(bell_->rung.wait_for(lock, std::chrono::seconds(60),
                                      [&] { return bell_->rings != seen; }));
    }
  }
  // From now on who rings stays at the bell: the commit thread between answering and going on.
  void HoldRingers(bool hold) {
    const std::lock_guard lock(bell_->mutex);
    bell_->hold_ringers = hold;
    bell_->let_go.notify_all();
  }
  EngineSession& raw() { return *session_; }
  // The next that comes by itself.
  RowsLost AwaitLoss() { return std::get<RowsLost>(Await(RequestId())); }
  std::uint64_t rings() const {
    const std::lock_guard lock(bell_->mutex);
    return bell_->rings;
  }

 private:
  struct Bell {
    mutable std::mutex mutex;
    std::condition_variable rung, let_go;
    std::uint64_t rings = 0;
    bool hold_ringers = false;
  };
  std::shared_ptr<Bell> bell_;
  std::unique_ptr<EngineSession> session_;
  std::uint64_t last_id_ = 0;
  std::vector<Completion> arrived_;
};

}  // namespace gyre

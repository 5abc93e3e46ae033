// Rows in memory only: for caches, tests and `--memory`. Each session owns the rows of its shard
// alone, so there is no lock; nothing completes later than the Poll after it was asked.
#include <atomic>
#include <map>
#include <mutex>
#include <utility>

#include "storage/engine_options.h"
#include "storage/row_table.h"

namespace gyre {
namespace {

// Counters with one writer, read by Stats from any thread.
class Gauge {
 public:
  void Add(std::int64_t difference) {
    value_.store(value_.load(std::memory_order_relaxed) + static_cast<std::uint64_t>(difference),
                 std::memory_order_relaxed);
  }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Rows of this node's own (owed_to 0) or hints for one target, of one keyspace.
struct TableId {
  NodeId owed_to;
  KeyspaceId keyspace;
  auto operator<=>(const TableId&) const = default;
};
TableId TableOf(const RowKey& key) { return {key.owed_to, key.keyspace}; }

// One shard's rows. They stay with the engine when a session goes.
class ShardRows {
 public:
  const RowTable* Find(TableId id) const {
    if (last_ != nullptr && last_id_ == id) return last_;
    const auto it = tables_.find(id);
    return it == tables_.end() ? nullptr : &it->second;
  }
  template <typename AnyRecord>  // encoded or not
  void Put(const RowKey& key, const OwnWrites& own, const AnyRecord& record) {
    RowTable& table = Get(TableOf(key));
    const std::size_t index_before = table.index_bytes();
    const auto outcome = table.Put(key.token, key.key.view(), own, record);
    Count(key, outcome.inserted ? 1 : 0,
          outcome.bytes_difference + static_cast<std::int64_t>(table.index_bytes() - index_before));
  }
  void Remove(const RowKey& key) {
    const TableId id = TableOf(key);
    if (Find(id) == nullptr) return;
    RowTable& table = Get(id);
    const std::size_t index_before = table.index_bytes();
    const auto outcome = table.Remove(key.token, key.key.view());
    Count(key, outcome.removed ? -1 : 0,
          outcome.bytes_difference + static_cast<std::int64_t>(table.index_bytes() - index_before));
    // Targets come and go; keyspaces stay.
    if (key.is_hint() && table.rows() == 0) {
      tables_.erase(id);
      last_ = nullptr;
    }
  }

  Gauge rows, bytes, hints;

 private:
  RowTable& Get(TableId id) {
    if (last_ == nullptr || last_id_ != id) {
      last_ = &tables_[id];
      last_id_ = id;
    }
    return *last_;
  }
  void Count(const RowKey& key, std::int64_t more_rows, std::int64_t more_bytes) {
    if (key.is_hint()) {
      hints.Add(more_rows);
    } else {
      rows.Add(more_rows);
      bytes.Add(more_bytes);
    }
  }

  std::map<TableId, RowTable> tables_;
  RowTable* last_ = nullptr;  // the table written last: most nodes have one that is hot
  TableId last_id_;
};

class MemorySession final : public EngineSession {
 public:
  MemorySession(ShardRows& rows, std::function<void()> wake)
      : rows_(rows), wake_(std::move(wake)) {}

  std::optional<Result<std::optional<Row>>> Read(RequestId /*id*/, const RowKey& key) override {
    return ReadAtHand(key);
  }
  std::optional<Result<std::optional<Row>>> ReadAtHand(const RowKey& key) override {
    const RowTable* table = rows_.Find(TableOf(key));
    if (table == nullptr) return Result<std::optional<Row>>(std::nullopt);
    return Result<std::optional<Row>>(table->Find(key.token, key.key.view()));
  }
  std::optional<Result<std::optional<Row>>> PeekAtHand(const RowKey& key) override {
    const RowTable* table = rows_.Find(TableOf(key));
    if (table == nullptr) return Result<std::optional<Row>>(std::nullopt);
    return Result<std::optional<Row>>(table->Peek(key.token, key.key.view()));
  }

  void Prefetch(std::span<const RowKey* const> keys) override {
    tokens_.clear();
    const RowTable* table = nullptr;
    for (const RowKey* key : keys) {
      if (tokens_.empty()) table = rows_.Find(TableOf(*key));
      // A turn's keys are of one table, or else the rest goes without.
      if (table == nullptr || rows_.Find(TableOf(*key)) != table) break;
      tokens_.push_back(key->token);
    }
    if (table != nullptr) table->Prefetch(tokens_);
  }
  bool WritesAtHand() const override { return true; }
  Bytes EncodeAtHand(const RowKey& key, const OwnWrites& own, const Record& record) override {
    return RowTable::Encode(key.token, key.key.view(), own, record);
  }
  void WriteAtHand(const RowKey& key, const Row& row) override {
    rows_.Put(key, row.own, row.record);
  }
  void RemoveAtHand(const RowKey& key) override { rows_.Remove(key); }
  void WriteAtHand(const RowKey& key, const OwnWrites& own, const Record& record) override {
    rows_.Put(key, own, record);
  }
  void Write(WriteRequest write) override {
    if (write.row) {
      WriteAtHand(write.key, *write.row);
    } else {
      RemoveAtHand(write.key);
    }
    done_.emplace_back(WriteDone{write.id, {}});
  }

  void Flush() override {}

  void Scan(RequestId id, const ScanRange& range) override {
    ScanPage page;
    const RowTable* table = rows_.Find({range.owed_to, range.keyspace});
    page.done = table == nullptr || table->Scan(range, page.rows);
    done_.emplace_back(ScanDone{id, std::move(page)});
    wake_();  // who asks for the next page while handling one does not look again by itself
  }

  void Poll(std::vector<Completion>& out) override {
    if (done_.empty()) return;
    if (out.empty()) {
      out.swap(done_);  // both keep their capacity: no allocation in a steady state
      return;
    }
    for (Completion& completion : done_) out.push_back(std::move(completion));
    done_.clear();
  }

 private:
  ShardRows& rows_;
  const std::function<void()> wake_;
  std::vector<Completion> done_;
  std::vector<Token> tokens_;  // kept for its memory
};

class MemoryEngine final : public Engine {
 public:
  explicit MemoryEngine(const EngineOptions& options) {
    for (int i = 0; i < options.session_count; ++i)
      shards_.push_back(std::make_unique<ShardRows>());
  }

  std::unique_ptr<EngineSession> OpenSession(std::function<void()> wake) override {
    GYRE_CHECK(sessions_opened_ < shards_.size());
    return std::make_unique<MemorySession>(*shards_[sessions_opened_++], std::move(wake));
  }
  Result<std::optional<std::string>> GetMeta(const std::string& name) override {
    const std::lock_guard lock(meta_mutex_);
    const auto it = meta_.find(name);
    if (it == meta_.end()) return std::optional<std::string>();
    return it->second;
  }
  Status PutMeta(const std::string& name, const std::string& value) override {
    const std::lock_guard lock(meta_mutex_);
    meta_[name] = value;
    return {};
  }
  // Rows and sums begin together, with nothing.
  Result<std::vector<LeafSum>> LoadLeaves() override { return std::vector<LeafSum>(); }
  EngineStats Stats() const override {
    EngineStats stats;
    for (const auto& shard : shards_) {
      stats.rows += shard->rows.value();
      stats.bytes += shard->bytes.value();
      stats.hint_rows += shard->hints.value();
    }
    return stats;
  }
  Status Close() override { return {}; }

 private:
  std::vector<std::unique_ptr<ShardRows>> shards_;
  std::size_t sessions_opened_ = 0;
  std::mutex meta_mutex_;
  std::map<std::string, std::string> meta_;
};

}  // namespace

std::unique_ptr<Engine> OpenMemoryEngine(const EngineOptions& options) {
  return std::make_unique<MemoryEngine>(options);
}

}  // namespace gyre

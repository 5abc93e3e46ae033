// Commands over all keys of a keyspace: they go through the partitions of the ring.
#include <algorithm>
#include <deque>
#include <memory>

#include "core/ring/partitioner.h"
#include "server/resp/arguments.h"
#include "server/resp/commands.h"
#include "server/resp/glob.h"
#include "server/resp/resp_session.h"
#include "server/resp/scan_cursor.h"

namespace gyre {
namespace {

// Partitions that one SCAN looks into at the most, and others at once.
constexpr std::size_t kPartitionsPerScanMax = 64;
constexpr std::size_t kPartitionsAtOnce = 16;
constexpr std::size_t kDeletesAtOnce = 128;

// What all of them share: the view they began with, and the first error, which is the answer.
class ScanBase : public MultiRequest {
 public:
  explicit ScanBase(RespSession& session)
      : view_(session.backend().view()),
        keyspace_(session.state().keyspace),
        request_options_(session.state().options),
        rows_max_(session.service().options().scan_rows_max) {}

  void OnResult(std::uint32_t index, ClientResult result, Now now) final {
    if (error_.has_value()) return;
    if (!result.has_value()) {
      error_ = std::move(result.error());
      return;
    }
    Take(index, std::move(*result), now);
  }
  std::optional<ClientRequest> Next(Now now) final {
    return error_.has_value() ? std::nullopt : NextRequest(now);
  }
  void WriteReply(RespWriter& out) final {
    if (error_.has_value()) return WriteError(out, *error_);
    WriteResult(out);
  }

 protected:
  const Ring& ring() const { return view_->ring; }
  const ClusterView& view() const { return *view_; }
  KeyspaceId keyspace() const { return keyspace_; }
  const RequestOptions& request_options() const { return request_options_; }
  std::uint32_t rows_max() const { return rows_max_; }
  void FailWith(Error error) { error_ = std::move(error); }
  ScanRequest PageOf(KeyspaceId keyspace, PartitionId partition, std::optional<RowKey> after,
                     std::uint32_t limit) const {
    return {.keyspace = keyspace,
            .partition = partition,
            .partition_bits = ring().partition_bits(),
            .after = std::move(after),
            .limit = limit,
            .options = request_options_};
  }

 private:
  virtual std::optional<ClientRequest> NextRequest(Now now) = 0;
  virtual void Take(std::uint32_t index, ClientOutcome outcome, Now now) = 0;
  virtual void WriteResult(RespWriter& out) = 0;

  ClusterViewPtr view_;
  KeyspaceId keyspace_;
  RequestOptions request_options_;
  std::uint32_t rows_max_;
  std::optional<Error> error_;
};

struct ScanArguments {
  std::uint64_t cursor = 0;
  std::string pattern = "*";
  std::uint64_t count = 10;
  bool no_such_type = false;
};

// One page after another until COUNT rows were seen, the keyspace ends, or enough partitions were
// looked into.
class ScanPages final : public ScanBase {
 public:
  ScanPages(RespSession& session, ScanArguments arguments)
      : ScanBase(session),
        arguments_(std::move(arguments)),
        position_(PositionOfCursor(arguments_.cursor, ring(), keyspace())),
        start_prefix_(arguments_.cursor & (UINT64_MAX >> 1)),
        rows_left_(arguments_.count) {}

  std::size_t window() const override { return 1; }

 private:
  std::optional<ClientRequest> NextRequest(Now) override {
    if (finished_) return std::nullopt;
    // One row more than wanted shows where the next page begins.
    limit_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(rows_left_ + 1, rows_max()));
    return PageOf(keyspace(), position_.partition, position_.after, limit_);
  }

  void Take(std::uint32_t, ClientOutcome outcome, Now) override {
    auto& page = As<ScanOutcome>(outcome);
    if (!page.next.has_value()) {
      Count(page.keys.size());
      Keep(page.keys, page.keys.size());
      return EnterPartition(position_.partition.value + 1);
    }
    Count(std::max<std::size_t>(limit_ - 1, 1));
    const std::uint64_t prefix = ScanPrefixOf(page.next->token);
    if (prefix == start_prefix_) {  // all of one prefix so far: no cursor can point behind them
      Keep(page.keys, page.keys.size());
      position_.after = std::move(page.next);
      return;
    }
    std::size_t kept = page.keys.size();
    while (kept > 0 && ScanPrefixOf(ring().TokenOf(page.keys[kept - 1].key.view())) == prefix) {
      --kept;
    }
    Keep(page.keys, kept);
    if (rows_left_ == 0) return FinishAt(prefix);
    start_prefix_ = prefix;
    position_.after = RowKey{keyspace(), Token{prefix << 1, 0}, Bytes()};
  }

  void WriteResult(RespWriter& out) override {
    out.Array(2);
    out.Bulk(std::to_string(next_cursor_));
    out.Array(keys_.size());
    for (const Bytes& key : keys_) out.Bulk(key);
  }

  void Keep(std::vector<ScannedKey>& keys, std::size_t count) {
    if (arguments_.no_such_type) return;
    for (std::size_t i = 0; i < count; ++i) {
      if (arguments_.pattern == "*" || GlobMatch(arguments_.pattern, keys[i].key.view())) {
        keys_.push_back(std::move(keys[i].key));
      }
    }
  }
  void EnterPartition(std::uint32_t partition) {
    if (partition == ring().partition_count()) return FinishAt(0);
    position_ = {PartitionId(partition), std::nullopt};
    start_prefix_ = CursorOfPartition(position_.partition, ring().partition_bits());
    if (++partitions_ == kPartitionsPerScanMax || rows_left_ == 0) FinishAt(start_prefix_);
  }
  void Count(std::size_t rows) { rows_left_ -= std::min<std::uint64_t>(rows_left_, rows); }
  void FinishAt(std::uint64_t cursor) {
    next_cursor_ = cursor;
    finished_ = true;
  }

  ScanArguments arguments_;
  ScanPosition position_;
  std::uint64_t start_prefix_;  // of where the present page began
  std::uint64_t rows_left_;
  std::uint32_t limit_ = 0;
  std::size_t partitions_ = 0;
  bool finished_ = false;
  std::uint64_t next_cursor_ = 0;
  std::vector<Bytes> keys_;
};

// Every key of the keyspace, several partitions at once.
class AllKeys : public ScanBase {
 public:
  explicit AllKeys(RespSession& session) : ScanBase(session) {}
  std::size_t window() const override { return kPartitionsAtOnce; }

 protected:
  virtual void TakePage(ScanOutcome& page) = 0;
  virtual ScanRequest RequestFor(ScanPosition position) = 0;

 private:
  std::optional<ClientRequest> NextRequest(Now) override {
    ScanPosition position;
    if (!unfinished_.empty()) {
      position = std::move(unfinished_.back());
      unfinished_.pop_back();
    } else if (next_partition_ < ring().partition_count()) {
      position.partition = PartitionId(next_partition_++);
    } else {
      return std::nullopt;
    }
    const std::size_t index = requests_++ % kIndexes;
    if (index == partitions_asked_.size()) partitions_asked_.emplace_back();
    partitions_asked_[index] = position.partition;
    return RequestFor(std::move(position));
  }
  void Take(std::uint32_t index, ClientOutcome outcome, Now) override {
    auto& page = As<ScanOutcome>(outcome);
    if (page.next.has_value()) {
      unfinished_.push_back({partitions_asked_[index], std::move(page.next)});
    }
    TakePage(page);
  }

  std::uint32_t next_partition_ = 0;
  std::vector<ScanPosition> unfinished_;
  static constexpr std::size_t kIndexes = 1 << 20;  // as MultiRequest counts
  std::size_t requests_ = 0;
  std::vector<PartitionId> partitions_asked_;  // by index of the request
};

class KeysRequest final : public AllKeys {
 public:
  KeysRequest(RespSession& session, std::string_view pattern)
      : AllKeys(session),
        pattern_(pattern),
        bytes_left_(session.service().options().keys_bytes_max) {}

 private:
  ScanRequest RequestFor(ScanPosition position) override {
    return PageOf(keyspace(), position.partition, std::move(position.after), rows_max());
  }
  void TakePage(ScanOutcome& page) override {
    constexpr std::size_t kBytesPerKey = 32;
    for (ScannedKey& scanned : page.keys) {
      if (!GlobMatch(pattern_, scanned.key.view())) continue;
      const std::size_t bytes = scanned.key.size() + kBytesPerKey;
      if (bytes > bytes_left_) {
        keys_.clear();
        return FailWith({ErrorCode::kInvalidArgument, "too many keys for one reply: use SCAN"});
      }
      bytes_left_ -= bytes;
      keys_.push_back(std::move(scanned.key));
    }
  }
  void WriteResult(RespWriter& out) override {
    out.Array(keys_.size());
    for (const Bytes& key : keys_) out.Bulk(key);
  }

  std::string pattern_;
  std::size_t bytes_left_;
  std::vector<Bytes> keys_;
};

class DbsizeRequest final : public AllKeys {
 public:
  using AllKeys::AllKeys;

 private:
  ScanRequest RequestFor(ScanPosition position) override {
    ScanRequest request =
        PageOf(keyspace(), position.partition, std::move(position.after), rows_max());
    request.count_only = true;
    return request;
  }
  void TakePage(ScanOutcome& page) override { count_ += page.live_count; }
  void WriteResult(RespWriter& out) override { out.Integer(static_cast<std::int64_t>(count_)); }

  std::uint64_t count_ = 0;
};

// Begins at a random place of a random partition and goes round once. Not uniform: a key that
// follows a wide gap comes more often.
class RandomkeyRequest final : public ScanBase {
 public:
  explicit RandomkeyRequest(RespSession& session) : ScanBase(session) {
    const std::uint64_t start = session.service().prng().Next() >> 1;
    position_ = PositionOfCursor(start, ring(), keyspace());
  }
  std::size_t window() const override { return 1; }

 private:
  static constexpr std::uint32_t kRows = 16;

  std::optional<ClientRequest> NextRequest(Now) override {
    if (key_.has_value() || partitions_ > ring().partition_count()) return std::nullopt;
    return PageOf(keyspace(), position_.partition, position_.after, std::min(kRows, rows_max()));
  }
  void Take(std::uint32_t, ClientOutcome outcome, Now) override {
    auto& page = As<ScanOutcome>(outcome);
    if (!page.keys.empty()) {
      key_ = std::move(page.keys.front().key);
    } else if (page.next.has_value()) {
      position_.after = std::move(page.next);
    } else {
      ++partitions_;  // the first one twice: what lies before the start comes last
      position_ = {PartitionId(static_cast<std::uint32_t>((position_.partition.value + 1) %
                                                          ring().partition_count())),
                   std::nullopt};
    }
  }
  void WriteResult(RespWriter& out) override {
    if (key_.has_value()) return out.Bulk(*key_);
    out.Null();
  }

  ScanPosition position_;
  std::size_t partitions_ = 0;
  std::optional<Bytes> key_;
};

// Deletes page by page, each key as DEL does. Keys are not written behind it meanwhile by this
// connection; what others write may stay.
class FlushRequest final : public ScanBase {
 public:
  FlushRequest(RespSession& session, bool all_keyspaces) : ScanBase(session) {
    if (!all_keyspaces) {
      keyspaces_.push_back(keyspace());
      return;
    }
    for (const auto& [id, config] : view().keyspaces) keyspaces_.push_back(id);
  }
  std::size_t window() const override { return kDeletesAtOnce; }

 private:
  std::optional<ClientRequest> NextRequest(Now) override {
    if (!keys_.empty()) {
      PutRequest request{.key = std::move(keys_.front()),
                         .mutation = DeleteValue(),
                         .read_first = true,
                         .options = request_options()};
      keys_.pop_front();
      return request;
    }
    if (scanning_ || next_keyspace_ == keyspaces_.size()) return std::nullopt;
    scanning_ = true;
    return PageOf(keyspaces_[next_keyspace_], position_.partition, position_.after, rows_max());
  }
  void Take(std::uint32_t, ClientOutcome outcome, Now) override {
    auto* page = std::get_if<ScanOutcome>(&outcome);
    if (page == nullptr) return;  // a key is deleted
    scanning_ = false;
    const KeyspaceId in = keyspaces_[next_keyspace_];
    for (ScannedKey& scanned : page->keys) {
      const Token token = ring().TokenOf(scanned.key.view());
      keys_.push_back({in, token, std::move(scanned.key)});
    }
    if (page->next.has_value()) {
      position_.after = std::move(page->next);
      return;
    }
    position_ = {PartitionId(position_.partition.value + 1), std::nullopt};
    if (position_.partition.value < ring().partition_count()) return;
    position_ = ScanPosition();
    ++next_keyspace_;
  }
  void WriteResult(RespWriter& out) override { out.Ok(); }

  std::vector<KeyspaceId> keyspaces_;
  std::size_t next_keyspace_ = 0;
  ScanPosition position_;
  bool scanning_ = false;
  std::deque<RowKey> keys_;  // at most a page
};

// Answers the error and returns false if a pattern is too long to be matched.
bool CheckPattern(RespSession& session, std::string_view pattern) {
  if (pattern.size() <= kGlobBytesMax) return true;
  session.Error("ERR the pattern is longer than " + std::to_string(kGlobBytesMax) + " bytes");
  return false;
}

void Flush(RespSession& session, const RespArgs& args, bool all_keyspaces) {
  const bool ok =
      args.size() == 1 ||
      (args.size() == 2 && (EqualsWord(args[1], "async") || EqualsWord(args[1], "sync")));
  if (!ok) return session.Error(kSyntaxError);
  session.Start(std::make_unique<FlushRequest>(session, all_keyspaces));
}

}  // namespace

void ScanCommand(RespSession& session, const RespArgs& args) {
  ScanArguments arguments;
  const auto cursor = ParseInteger<std::uint64_t>(args[1]);
  if (!cursor.has_value()) return session.Error("ERR invalid cursor");
  arguments.cursor = *cursor;
  for (std::size_t i = 2; i < args.size(); i += 2) {
    if (i + 1 == args.size()) return session.Error(kSyntaxError);
    const std::string_view value = args[i + 1];
    if (EqualsWord(args[i], "match")) {
      if (!CheckPattern(session, value)) return;
      arguments.pattern = value;
    } else if (EqualsWord(args[i], "count")) {
      const auto count = ParseInteger<std::int64_t>(value);
      if (!count.has_value()) return session.Error(kNotAnInteger);
      if (*count < 1) return session.Error(kSyntaxError);
      arguments.count = static_cast<std::uint64_t>(
          std::min<std::int64_t>(*count, session.service().options().scan_rows_max));
    } else if (EqualsWord(args[i], "type")) {
      arguments.no_such_type = !EqualsWord(value, "string");
    } else {
      return session.Error(kSyntaxError);
    }
  }
  session.Start(std::make_unique<ScanPages>(session, std::move(arguments)));
}

void KeysCommand(RespSession& session, const RespArgs& args) {
  if (!CheckPattern(session, args[1])) return;
  session.Start(std::make_unique<KeysRequest>(session, args[1]));
}

void DbsizeCommand(RespSession& session, const RespArgs&) {
  session.Start(std::make_unique<DbsizeRequest>(session));
}

void RandomkeyCommand(RespSession& session, const RespArgs&) {
  session.Start(std::make_unique<RandomkeyRequest>(session));
}

void FlushallCommand(RespSession& session, const RespArgs& args) {
  Flush(session, args, /*all_keyspaces=*/true);
}

void FlushdbCommand(RespSession& session, const RespArgs& args) {
  Flush(session, args, /*all_keyspaces=*/false);
}

}  // namespace gyre

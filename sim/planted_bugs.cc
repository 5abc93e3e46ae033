#include "sim/planted_bugs.h"

#include <algorithm>
#include <map>
#include <utility>

namespace gyre::sim {
namespace {

HybridTime NewestTime(const Record& record) {
  HybridTime newest;
  for (const Sibling& sibling : record.siblings) newest = std::max(newest, sibling.time);
  return newest;
}

bool Holds(const Record& record, const Dot& dot) {
  return std::any_of(record.siblings.begin(), record.siblings.end(),
                     [&](const Sibling& sibling) { return sibling.dot == dot; });
}

template <typename Condition>
std::size_t EraseIf(Record::Siblings& siblings, Condition&& condition) {
  const auto end = std::remove_if(siblings.begin(), siblings.end(), condition);
  const auto erased = static_cast<std::size_t>(siblings.end() - end);
  siblings.erase(end, siblings.end());
  return erased;
}

// Applies `change(Record&)` to encoded bytes; leaves them if it returns false.
template <typename Change>
void Rewrite(Bytes& encoded, Change&& change) {
  if (encoded.empty()) return;
  Result<Record> record = Record::Decode(encoded);
  if (record && change(*record)) encoded = record->Encode();
}

class LastWriteWins : public PlantedBug {
  void OnWrite(const Row* /*before*/, Row& row) override {
    Rewrite(row.record, [](Record& record) {
      if (record.siblings.size() < 2) return false;
      const HybridTime newest = NewestTime(record);
      EraseIf(record.siblings, [&](const Sibling& s) { return s.time != newest; });
      return true;
    });
  }
};

class DroppedSibling : public PlantedBug {
  bool OnMessage(Message& message) override {
    if (auto* put = std::get_if<ReplicaPut>(&message)) {
      Rewrite(put->record, [](Record& record) {
        if (record.siblings.size() < 2) return false;
        record.siblings.erase(record.siblings.begin());
        return true;
      });
    }
    return false;
  }
};

// Every start goes on as the first did: same actor, same epochs.
class ReusedDot : public PlantedBug {
  void OnStart(ShardOptions& options) override {
    const auto [first, is_new] = first_.try_emplace({options.node.value, options.shard.value},
                                                    options.actor, options.next_epoch);
    options.actor = first->second.first;
    options.next_epoch = first->second.second;
  }
  std::map<std::pair<std::uint32_t, std::uint16_t>, std::pair<ActorId, std::uint64_t>> first_;
};

class SkippedFsync : public PlantedBug {
  bool acknowledges_before_sync() const override { return true; }
};

class ReadQuorumOffByOne : public PlantedBug {
  void OnRequest(ClientRequest& request, int read_needed) override {
    if (read_needed < 2) return;
    const QuorumSpec less = QuorumSpec::Number(static_cast<std::uint8_t>(read_needed - 1));
    std::visit([&](auto& typed) { typed.options.read_quorum = less; }, request);
  }
};

class ErrorAsAbsent : public PlantedBug {
  void OnRead(Result<std::optional<Row>>& row) override {
    if (!row) row = std::optional<Row>();
  }
};

class LostReadRepair : public PlantedBug {
  bool OnMessage(Message& message) override {
    const auto* put = std::get_if<ReplicaPut>(&message);
    return put != nullptr && put->repair;
  }
};

// Keeps whichever version has the later clock time, as a plain store would.
class WallClockVersion : public PlantedBug {
  void OnWrite(const Row* before, Row& row) override {
    if (before == nullptr) return;
    const Result<Record> old = Record::Decode(before->record);
    const Result<Record> next = Record::Decode(row.record);
    if (old && next && NewestTime(*old) > NewestTime(*next)) row.record = before->record;
    // Concurrent ones, too: the later wins.
    Rewrite(row.record, [](Record& record) {
      const HybridTime newest = NewestTime(record);
      return EraseIf(record.siblings, [&](const Sibling& s) { return s.time < newest; }) > 0;
    });
  }
};

class ForgottenClock : public PlantedBug {
  void OnWrite(const Row* /*before*/, Row& row) override {
    Rewrite(row.record, [](Record& record) {
      for (const VersionVector::Entry& entry : record.clock.entries()) {
        const bool named = std::any_of(
            record.siblings.begin(), record.siblings.end(), [&](const Sibling& sibling) {
              return sibling.dot.actor == entry.actor && sibling.dot.epoch == entry.epoch;
            });
        if (named) continue;
        record.clock.Remove(entry.actor, entry.epoch);
        return true;
      }
      return false;
    });
  }
};

// A merge that adds what the other side has, and never asks who has seen what. Of few siblings
// only: they would grow without end.
class UnionMerge : public PlantedBug {
  void OnWrite(const Row* before, Row& row) override {
    if (before == nullptr) return;
    const Result<Record> old = Record::Decode(before->record);
    if (!old) return;
    Rewrite(row.record, [&](Record& record) {
      bool changed = false;
      if (record.siblings.size() > 3 || old->siblings.size() > 3) return false;
      for (const Sibling& sibling : old->siblings) {
        if (Holds(record, sibling.dot) || !record.clock.Covers(sibling.dot)) continue;
        const auto at = std::find_if(record.siblings.begin(), record.siblings.end(),
                                     [&](const Sibling& s) { return sibling.dot < s.dot; });
        record.siblings.insert(at, sibling);
        changed = true;
      }
      return changed;
    });
  }
};

class FailureAsAck : public PlantedBug {
  bool OnMessage(Message& message) override {
    if (auto* reply = std::get_if<ReplicaPutReply>(&message)) reply->error.reset();
    return false;
  }
};

class UnknownAsFailed : public PlantedBug {
  void OnAnswer(ClientResult& result) override {
    if (!result && result.error().code == ErrorCode::kOutcomeUnknown) {
      result = Fail(ErrorCode::kUnavailable, "planted");
    }
  }
};

class EndlessClock : public PlantedBug {
  void OnConfig(CoreConfig& config) override { config.clock_entries_max = 1'000; }
};

class LostTimer : public PlantedBug {
  bool never_ticks() const override { return true; }
};

// Hints are acknowledged, and not kept.
class LostHint : public PlantedBug {
  bool OnStore(WriteEffect& write) override { return write.row && write.key.is_hint(); }
};

// Rows are written without what they change in their leaf.
class LostLeafDelta : public PlantedBug {
  bool OnStore(WriteEffect& write) override {
    write.leaf_delta = 0;
    return false;
  }
};

class DeafExchange : public PlantedBug {
  bool OnMessage(Message& message) override {
    if (auto* reply = std::get_if<TreeCompareReply>(&message)) reply->differing.clear();
    return false;
  }
};

// An exchange only ever gives, to one side.
class OneWayExchange : public PlantedBug {
  bool OnMessage(Message& message) override {
    if (auto* reply = std::get_if<LeafKeysReply>(&message)) reply->wanted.clear();
    return false;
  }
};

class HiddenChance : public PlantedBug {
  std::uint64_t Disturbance() override {
    static std::uint64_t calls = 0;
    return ++calls / 1000;
  }
};

template <typename Bug>
std::unique_ptr<PlantedBug> Make() {
  return std::make_unique<Bug>();
}

}  // namespace

const std::vector<PlantInfo>& PlantedBugs() {
  static const std::vector<PlantInfo> kBugs = {
      {"last-write-wins",
       "of several siblings only the newest is stored",
       {Checker::kLost},
       Make<LastWriteWins>},
      {"reused-dot",
       "a shard restarts with its old actor and epoch",
       {Checker::kDots},
       Make<ReusedDot>},
      {"dropped-sibling",
       "a record loses a sibling on its way to a replica",
       {Checker::kLost},
       Make<DroppedSibling>},
      {"skipped-fsync",
       "storage acknowledges before the sync",
       {Checker::kOutcomes, Checker::kLost},
       Make<SkippedFsync>},
      {"read-quorum-off-by-one",
       "a read waits for R-1 answers",
       {Checker::kSessions},
       Make<ReadQuorumOffByOne>},
      {"error-as-absent",
       "a read error is taken for an absent row",
       {Checker::kMonotone},
       Make<ErrorAsAbsent>},
      {"lost-read-repair",
       "stale owners are never repaired",
       {Checker::kConvergence},
       Make<LostReadRepair>},
      {"wall-clock-version",
       "the version with the later time wins, whatever it has seen",
       {Checker::kOutcomes, Checker::kLost},
       Make<WallClockVersion>},
      {"forgotten-clock",
       "a row forgets what it has seen",
       {Checker::kMonotone},
       Make<ForgottenClock>},
      {"union-merge", "merging keeps superseded siblings", {Checker::kSiblings}, Make<UnionMerge>},
      {"failure-as-ack",
       "a replica's failure counts as an acknowledgement",
       {Checker::kOutcomes},
       Make<FailureAsAck>},
      {"unknown-as-failed",
       "an unknown outcome is told as a failure",
       {Checker::kOutcomes},
       Make<UnknownAsFailed>},
      {"endless-clock", "clocks are never truncated", {Checker::kBounds}, Make<EndlessClock>},
      {"lost-timer", "no timer ever runs", {Checker::kBounds}, Make<LostTimer>},
      {"lost-hint",
       "a fallback acknowledges hints and does not keep them",
       {Checker::kOutcomes},
       Make<LostHint>},
      {"lost-leaf-delta",
       "rows are stored without the change of their leaf",
       {Checker::kConvergence},
       Make<LostLeafDelta>},
      {"deaf-exchange",
       "trees that differ are taken for equal",
       {Checker::kConvergence},
       Make<DeafExchange>},
      {"one-way-exchange",
       "an exchange repairs the asker only",
       {Checker::kConvergence},
       Make<OneWayExchange>},
      {"hidden-chance",
       "something depends on more than the seed",
       {Checker::kDeterminism},
       Make<HiddenChance>},
  };
  return kBugs;
}

const PlantInfo* FindPlant(std::string_view name) {
  for (const PlantInfo& bug : PlantedBugs()) {
    if (bug.name == name) return &bug;
  }
  return nullptr;
}

}  // namespace gyre::sim

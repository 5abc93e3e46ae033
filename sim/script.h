// For tests: a quiet world, driven one step at a time, that speaks of nodes by their letters.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/world.h"

namespace gyre::sim {

class Script {
 public:
  struct Answer {
    std::optional<ClientResult> result;  // nullopt: none came
    std::int64_t us = 0;                 // how long it took

    bool ok() const { return result && result->has_value(); }
    const Record& record() const { return std::get<GetOutcome>(**result).record; }
    const VersionVector& context() const { return std::get<PutOutcome>(**result).context; }
    std::vector<std::string> values() const {
      std::vector<std::string> values;
      for (const Sibling& sibling : record().siblings) values.push_back(sibling.value.ToString());
      std::sort(values.begin(), values.end());
      return values;
    }
  };

  Script(int nodes, int replicas, QuorumSpec read, QuorumSpec write)
      : world_(QuietSpec(nodes, replicas, read, write), nullptr, /*print=*/false) {
    world_.StartAll();
    Settle();
  }

  // `node`: 'A', 'B', ...
  Answer Put(char node, const VersionVector& context, const std::string& value) {
    Write& write = world_.judge().NewWrite(0, OpKind::kPut);
    write.context = context;
    write.value = value;
    world_.judge().OnNewWrite(write);
    Op op = NewOp(node, OpKind::kPut);
    op.write = write.id;
    return Ask(op, PutRequest{key(), WriteValue{context, Bytes(value), Xxh3_64(value)}, false, {}});
  }
  Answer Get(char node, std::optional<QuorumSpec> read = std::nullopt) {
    Op op = NewOp(node, OpKind::kGet);
    op.reads = true;
    if (read) op.read_needed = *read->Resolve(keyspace().replicas, keyspace().replicas);
    return Ask(op, GetRequest{key(), {read, std::nullopt, {}}});
  }
  // Time for whatever is still under way.
  void Settle() { world_.RunFor(1'000'000); }

  void Cut(char a, char b) {
    world_.CutLink(index(a), index(b), /*noticed=*/false);
    world_.CutLink(index(b), index(a), /*noticed=*/false);
  }
  void Uncut(char a, char b) {
    world_.UncutLink(index(a), index(b));
    world_.UncutLink(index(b), index(a));
    Settle();
  }
  // What the node's disk holds of the key.
  Record Held(char node) {
    const Row* row = world_.node(index(node)).storage().Latest(key());
    return row == nullptr ? Record{} : *Record::Decode(row->record);
  }
  // As people write it: "[A,3],[B,1],[C,1]".
  std::string Clock(const VersionVector& clock) {
    std::vector<std::pair<char, std::uint64_t>> entries;
    for (const VersionVector::Entry& entry : clock.entries()) {
      entries.emplace_back(LetterOf(NodeOf(entry.actor)), entry.n);
    }
    std::sort(entries.begin(), entries.end());
    std::string text;
    for (const auto& [letter, n] : entries) {
      text += std::string(text.empty() ? "" : ",") + "[" + letter + "," + std::to_string(n) + "]";
    }
    return text;
  }
  World& world() { return world_; }
  const RowKey& key() { return world_.judge().keys()[0]; }
  int index(char node) {
    return world_.FindNode(std::string("node-") + static_cast<char>(node - 'A' + 'a'));
  }

 private:
  const KeyspaceConfig& keyspace() { return *world_.view().FindKeyspace(KeyspaceId(0)); }
  char LetterOf(NodeId id) {
    const std::string& name = world_.view().ring.FindMember(id)->name;
    return static_cast<char>(name.back() - 'a' + 'A');
  }
  Op NewOp(char node, OpKind kind) {
    Op op;
    op.node = index(node);
    op.kind = kind;
    op.read_needed = *keyspace().read_quorum.Resolve(keyspace().replicas, keyspace().replicas);
    op.write_needed = *keyspace().write_quorum.Resolve(keyspace().replicas, keyspace().replicas);
    return op;
  }
  Answer Ask(const Op& op, ClientRequest request) {
    Answer answer;
    world_.Submit(op, std::move(request), [&](const Op& ended, const ClientResult* result) {
      answer.us = ended.end - ended.start;
      if (result != nullptr) answer.result = *result;
    });
    world_.RunUntilAnswered();
    return answer;
  }

  World world_;
};

}  // namespace gyre::sim

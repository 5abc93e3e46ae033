// KV.*: the store as it is, with siblings and contexts.
#include <algorithm>

#include "base/hash.h"
#include "server/resp/arguments.h"
#include "server/resp/commands.h"
#include "server/resp/resp_session.h"

namespace gyre {
namespace {

void ReplySiblings(const FinishContext& context, ClientOutcome& outcome, RespWriter& out) {
  const Record& record = As<GetOutcome>(outcome).record;
  boost::container::small_vector<const Sibling*, 4> live;
  for (const Sibling& sibling : record.siblings) {
    if (sibling.LiveAt(context.now.wall)) live.push_back(&sibling);
  }
  std::sort(live.begin(), live.end(), [](const Sibling* a, const Sibling* b) {
    return std::tie(b->time, b->dot) < std::tie(a->time, a->dot);  // newest first
  });
  out.Map(2);
  out.Bulk(std::string_view("context"));
  out.Bulk(EncodeContext(record.clock));
  out.Bulk(std::string_view("values"));
  out.Array(live.size());
  for (const Sibling* sibling : live) out.Bulk(sibling->value);
}

void ReplyContext(const FinishContext&, ClientOutcome& outcome, RespWriter& out) {
  out.Bulk(EncodeContext(As<PutOutcome>(outcome).context));
}

// WITHMETA: what the write came to as well.
void ReplyMeta(const FinishContext&, ClientOutcome& outcome, RespWriter& out) {
  const PutOutcome& put = As<PutOutcome>(outcome);
  out.Map(5);
  out.Bulk(std::string_view("context"));
  out.Bulk(EncodeContext(put.context));
  out.Bulk(std::string_view("copies"));
  out.Integer(put.copies);
  out.Bulk(std::string_view("hints"));
  out.Integer(put.hints);
  out.Bulk(std::string_view("zones"));
  out.Integer(put.zones);
  out.Bulk(std::string_view("strict"));
  out.Bool(put.strict);
}

class ExplainKey final : public MultiRequest {
 public:
  ExplainKey(RespSession& session, RowKey key)
      : service_(session.service()),
        view_(session.backend().view()),
        options_(session.state().options),
        key_(std::move(key)),
        hashes_{session.KeyHash(0)} {
    key_.token = session.view().ring.TokenOf(key_.key.view());
  }

  std::size_t window() const override { return 1; }
  std::optional<ClientRequest> Next(Now) override {
    if (std::exchange(asked_, true)) return std::nullopt;
    return ExplainRequest{key_, options_};
  }
  void OnResult(std::uint32_t, ClientResult result, Now now) override {
    if (!result.has_value()) {
      error_ = std::move(result.error());
      return;
    }
    const KeyspaceConfig* keyspace = view_->FindKeyspace(key_.keyspace);
    text_ = service_.documents().Explain(*view_, keyspace == nullptr ? "" : keyspace->name, key_,
                                         As<ExplainOutcome>(*result), now.wall);
  }
  void WriteReply(RespWriter& out) override {
    if (error_.has_value()) return WriteError(out, *error_);
    out.Verbatim("txt", text_);
  }
  const std::vector<std::uint64_t>* key_hashes() const override { return &hashes_; }

 private:
  RespService& service_;
  ClusterViewPtr view_;
  RequestOptions options_;
  RowKey key_;
  std::vector<std::uint64_t> hashes_;
  bool asked_ = false;
  std::optional<Error> error_;
  std::string text_;
};

// What a connection's R or W comes to in its keyspace; empty if it can never be met.
std::optional<int> CopiesFor(const RespSession& session, const QuorumSpec& spec) {
  const KeyspaceConfig* keyspace = session.view().FindKeyspace(session.state().keyspace);
  if (keyspace == nullptr) return std::nullopt;
  const Result<int> copies = session.view().LeastCopies(spec, *keyspace);
  return copies ? std::optional<int>(*copies) : std::nullopt;
}

std::optional<bool> ParseYesOrNo(std::string_view text) {
  if (EqualsWord(text, "yes")) return true;
  if (EqualsWord(text, "no")) return false;
  return std::nullopt;
}

// Options behind a native command. `allowed` holds the letters of R r, W w, T for PX ms and EX s,
// and M for WITHMETA. SLOPPY goes with all.
struct NativeOptions {
  RequestOptions request;
  std::optional<WallTime> expiry;
  bool with_meta = false;

  FinishFn finish() const { return with_meta ? ReplyMeta : ReplyContext; }
};
tl::expected<NativeOptions, std::string> ParseNative(const RespSession& session,
                                                     const RespArgs& args, std::size_t first,
                                                     std::string_view allowed) {
  const auto takes = [&](char c) { return allowed.find(c) != std::string_view::npos; };
  NativeOptions options;
  options.request = session.state().options;
  for (std::size_t i = first; i < args.size(); i += 2) {
    const std::string_view word = args[i];
    if (takes('M') && EqualsWord(word, "withmeta")) {
      options.with_meta = true;
      --i;  // it has no value
      continue;
    }
    if (i + 1 == args.size()) return tl::unexpected(std::string(kSyntaxError));
    const std::string_view value = args[i + 1];
    const bool read = takes('R') && EqualsWord(word, "r");
    if (read || (takes('W') && EqualsWord(word, "w"))) {
      const Result<QuorumSpec> spec = QuorumSpec::Parse(value);
      if (!spec.has_value()) return tl::unexpected("ERR " + spec.error().message);
      (read ? options.request.read_quorum : options.request.write_quorum) = *spec;
    } else if (EqualsWord(word, "sloppy")) {
      options.request.sloppy = ParseYesOrNo(value);
      if (!options.request.sloppy)
        return tl::unexpected(std::string("ERR argument must be 'yes' or 'no'"));
    } else if (takes('T') && !options.expiry.has_value() &&
               (EqualsWord(word, "px") || EqualsWord(word, "ex"))) {
      const auto expiry =
          ParseExpiry(value, EqualsWord(word, "px") ? TimeUnit::kMillis : TimeUnit::kSeconds,
                      TimeBase::kFromNow, /*must_be_positive=*/true, session.command().name,
                      session.now().wall);
      if (!expiry.has_value()) return tl::unexpected(expiry.error());
      options.expiry = *expiry;
    } else {
      return tl::unexpected(std::string(kSyntaxError));
    }
  }
  return options;
}

void WriteQuorum(RespWriter& out, const std::optional<QuorumSpec>& own,
                 const QuorumSpec& keyspace) {
  out.Bulk(own.value_or(keyspace).ToString());
}

}  // namespace

void KvGetCommand(RespSession& session, const RespArgs& args) {
  const auto options = ParseNative(session, args, 2, "R");
  if (!options.has_value()) return session.Error(options.error());
  session.Submit(GetRequest{session.Key(args[1]), options->request}, ReplySiblings);
}

void KvPutCommand(RespSession& session, const RespArgs& args) {
  const auto options = ParseNative(session, args, 4, "WTM");
  if (!options.has_value()) return session.Error(options.error());
  if (!session.CheckValue(args[3])) return;
  Result<VersionVector> context = DecodeContext(args[2]);
  if (!context.has_value()) return session.Error("ERR " + context.error().message);
  WriteValue write;
  write.context = std::move(*context);
  write.value = Bytes(args[3]);
  write.checksum = Xxh3_64(args[3]);
  write.expiry = options->expiry.has_value() ? *options->expiry : session.DefaultExpiry();
  session.Submit(
      PutRequest{
          .key = session.Key(args[1]), .mutation = std::move(write), .options = options->request},
      options->finish());
}

void KvDelCommand(RespSession& session, const RespArgs& args) {
  const auto options = ParseNative(session, args, 3, "WM");
  if (!options.has_value()) return session.Error(options.error());
  Result<VersionVector> context = DecodeContext(args[2]);
  if (!context.has_value()) return session.Error("ERR " + context.error().message);
  session.Submit(PutRequest{.key = session.Key(args[1]),
                            .mutation = DeleteValue{std::move(*context)},
                            .options = options->request},
                 options->finish());
}

void KvUseCommand(RespSession& session, const RespArgs& args) {
  for (const auto& [id, config] : session.view().keyspaces) {
    if (config.name != args[1]) continue;
    session.state().keyspace = id;
    return session.Reply().Ok();
  }
  session.Error("ERR no such keyspace '" + std::string(args[1].substr(0, 128)) +
                "': KV.KEYSPACES lists them");
}

void KvQuorumCommand(RespSession& session, const RespArgs& args) {
  RequestOptions chosen = session.state().options;
  for (std::size_t i = 1; i < args.size(); i += 2) {
    const bool read = EqualsWord(args[i], "r");
    const bool sloppy = EqualsWord(args[i], "sloppy");
    if (i + 1 == args.size() || (!read && !sloppy && !EqualsWord(args[i], "w"))) {
      return session.Error(kSyntaxError);
    }
    if (sloppy) {
      chosen.sloppy = ParseYesOrNo(args[i + 1]);
      if (!chosen.sloppy && !EqualsWord(args[i + 1], "default")) {
        return session.Error("ERR argument must be 'yes', 'no' or 'default'");
      }
      continue;
    }
    std::optional<QuorumSpec>& spec = read ? chosen.read_quorum : chosen.write_quorum;
    if (EqualsWord(args[i + 1], "default")) {
      spec.reset();
      continue;
    }
    const Result<QuorumSpec> parsed = QuorumSpec::Parse(args[i + 1]);
    if (!parsed.has_value()) return session.Error("ERR " + parsed.error().message);
    if (!CopiesFor(session, *parsed).has_value()) {
      return session.Error("ERR the keyspace keeps fewer copies than " +
                           std::string(args[i + 1].substr(0, 16)));
    }
    spec = *parsed;
  }
  session.state().options = chosen;
  if (args.size() > 1) return session.Reply().Ok();
  const KeyspaceConfig* keyspace = session.view().FindKeyspace(session.state().keyspace);
  const KeyspaceConfig fallback;
  if (keyspace == nullptr) keyspace = &fallback;
  RespWriter out = session.Reply();
  out.Map(3);
  out.Bulk(std::string_view("R"));
  WriteQuorum(out, chosen.read_quorum, keyspace->read_quorum);
  out.Bulk(std::string_view("W"));
  WriteQuorum(out, chosen.write_quorum, keyspace->write_quorum);
  out.Bulk(std::string_view("SLOPPY"));
  out.Bulk(std::string_view(chosen.sloppy.value_or(keyspace->sloppy) ? "yes" : "no"));
}

void KvRepairCommand(RespSession& session, const RespArgs&) {
  session.backend().HurryRepair();
  session.Reply().Ok();
}

void KvClusterCommand(RespSession& session, const RespArgs& args) {
  for (const char* verb : {"status", "stage", "plan", "commit", "abort", "drain", "undrain"}) {
    if (!EqualsWord(args[1], verb)) continue;
    const bool has_body = EqualsWord(args[1], "stage") || EqualsWord(args[1], "drain");
    if (args.size() != (has_body ? 3u : 2u)) return session.Error(kSyntaxError);
    return session.AskCluster(verb, has_body ? std::string(args[2]) : std::string());
  }
  session.Error("ERR known are STATUS, STAGE json, PLAN, COMMIT, ABORT, DRAIN json and UNDRAIN");
}

void KvStatusCommand(RespSession& session, const RespArgs&) {
  session.Reply().Verbatim("txt", session.service().documents().Status(session.backend()));
}

void KvRingCommand(RespSession& session, const RespArgs& args) {
  RingEpoch after;
  Duration wait;
  if (args.size() > 1) {
    if (args.size() != 4 || !EqualsWord(args[1], "wait")) return session.Error(kSyntaxError);
    const auto epoch = ParseInteger<std::uint64_t>(args[2]);
    const auto wait_ms = ParseInteger<std::int64_t>(args[3]);
    if (!epoch.has_value() || !wait_ms.has_value()) return session.Error(kNotAnInteger);
    if (*wait_ms < 0 || *wait_ms > kRingWaitMax.ms()) {
      return session.Error("ERR one may wait for 0 to " + std::to_string(kRingWaitMax.ms()) +
                           " milliseconds");
    }
    after = RingEpoch(*epoch);
    wait = Duration::Millis(*wait_ms);
  }
  if (wait.us > 0 && session.view().ring.epoch() <= after) return session.AwaitRing(after, wait);
  session.Reply().Verbatim("txt", session.service().documents().Ring(session.view()));
}

void KvKeyspacesCommand(RespSession& session, const RespArgs&) {
  session.Reply().Verbatim("txt", session.service().documents().Keyspaces(session.view()));
}

void KvExplainCommand(RespSession& session, const RespArgs& args) {
  session.Start(std::make_unique<ExplainKey>(session, session.Key(args[1])));
}

// WAIT: every write that was answered is on W copies already. Redis counts replicas beside the
// master, so the first copy does not count.
void WaitCommand(RespSession& session, const RespArgs& args) {
  if (!ParseInteger<std::int32_t>(args[1]).has_value()) return session.Error(kNotAnInteger);
  const auto timeout = ParseInteger<std::int64_t>(args[2]);
  if (!timeout.has_value()) return session.Error("ERR timeout is not an integer or out of range");
  if (*timeout < 0) return session.Error("ERR timeout is negative");
  const KeyspaceConfig* keyspace = session.view().FindKeyspace(session.state().keyspace);
  const QuorumSpec spec = session.state().options.write_quorum.value_or(
      keyspace == nullptr ? QuorumSpec() : keyspace->write_quorum);
  session.Reply().Integer(CopiesFor(session, spec).value_or(1) - 1);
}

}  // namespace gyre

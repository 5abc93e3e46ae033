// gyre get, put, del.
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>

#include "base/base64.h"
#include "cli/cli_support.h"
#include "cli/node_json.h"
#include "cli/verbs.h"
#include "core/config.h"

namespace gyre {
namespace {

struct DataFlags {
  ClientFlags client;
  std::string key;
  bool key_hex = false;
  bool key_percent = false;
  std::string value;
  std::string file;
  std::string context;
  std::string context_file;
  std::string r, w, sloppy;
  bool meta = false;
  double ttl_seconds = 0;
  CLI::Option* value_option = nullptr;
  CLI::Option* context_option = nullptr;
};

void AddKey(CLI::App& verb, DataFlags& flags) {
  verb.add_option("key", flags.key, "the key: any bytes that the shell can pass")->required();
  auto* hex = verb.add_flag("--key-hex", flags.key_hex, "the key is given as hex digits");
  verb.add_flag("--key-percent", flags.key_percent, "%XX in the key stands for a byte")
      ->excludes(hex);
}

void AddSloppy(CLI::App& verb, DataFlags& flags) {
  verb.add_option("--sloppy", flags.sloppy,
                  "may other nodes stand in for owners that cannot be reached: yes or no [as the "
                  "keyspace says]")
      ->check(CLI::IsMember({"yes", "no"}));
}

void AddContext(CLI::App& verb, DataFlags& flags, const char* help) {
  flags.context_option = verb.add_option("--context", flags.context, help);
  verb.add_option("-c,--context-file", flags.context_file, "the context is in this file")
      ->excludes(flags.context_option);
}

// nullopt: none was given.
Result<std::optional<std::string>> GivenContext(const DataFlags& flags) {
  if (!flags.context_file.empty()) {
    Result<std::string> text = ReadFile(flags.context_file, 2 * kContextBytesMax);
    if (!text) return Fail(std::move(text.error()));
    text->erase(text->find_last_not_of(" \r\n\t") + 1);
    return std::optional<std::string>(std::move(*text));
  }
  if (flags.context_option->count() == 0) return std::nullopt;
  return std::optional<std::string>(flags.context);
}

// Keeps the context for the write that shall supersede what was read or written.
Status KeepContext(const DataFlags& flags, const std::string& context) {
  if (flags.context_file.empty()) return {};
  return WriteFile(flags.context_file, context + "\n");
}

// ---- get -----------------------------------------------------------------------------------

int PrintValues(const DataFlags& flags, const std::string& key, const std::string& context,
                const std::vector<RespValue>& values) {
  if (flags.client.json()) {
    Json json = {
        {"key_base64", Base64Encode(key)}, {"context", context}, {"values_base64", Json::array()}};
    for (const RespValue& value : values) json["values_base64"].push_back(Base64Encode(value.text));
    WriteOut(json.dump(2) + "\n");
    return values.empty() ? kExitNotFound : kExitOk;
  }
  if (values.empty()) {
    std::fprintf(stderr, "gyre: there is no such key\n");
    return kExitNotFound;
  }
  if (values.size() == 1) {
    const bool line = isatty(STDOUT_FILENO) != 0 && !values.front().text.ends_with('\n');
    return WriteOut(values.front().text + (line ? "\n" : "")) ? kExitOk : kExitUsage;
  }
  std::fprintf(
      stderr,
      "gyre: %zu siblings: concurrent writes that nobody has merged yet, newest first, each "
      "with a line end after it (-o json tells them apart whatever they hold). To merge "
      "them, put the merged value with --context %s\n",
      values.size(), context.c_str());
  bool ok = true;
  for (const RespValue& value : values) ok = ok && WriteOut(value.text + "\n");
  return ok ? kExitOk : kExitUsage;
}

std::vector<std::string_view> GetCommand(const DataFlags& flags, const std::string& key) {
  std::vector<std::string_view> command = {"KV.GET", key};
  if (!flags.r.empty()) command.insert(command.end(), {"R", flags.r});
  if (!flags.sloppy.empty()) command.insert(command.end(), {"SLOPPY", flags.sloppy});
  return command;
}

// A read that was cut off changed nothing.
int ComplainOfRead(const Error& error) {
  const bool cut = error.code == ErrorCode::kOutcomeUnknown;
  Complain(error);
  return cut ? int{kExitUnavailable} : ExitCodeOf(error.code);
}

int Get(const DataFlags& flags) {
  const Result<std::string> key = ReadKey(flags.key, flags.key_hex, flags.key_percent);
  if (!key) return Complain(key.error());
  Result<RespClient> client = ConnectTo(flags.client);
  if (!client) return Complain(client.error());
  const Result<RespValue> reply = CallNode(*client, GetCommand(flags, *key));
  if (!reply) return ComplainOfRead(reply.error());
  const RespValue* context = reply->Find("context");
  const RespValue* values = reply->Find("values");
  if (context == nullptr || values == nullptr) {
    return Complain({ErrorCode::kUnsupported, "the node does not answer KV.GET as Gyre does"});
  }
  if (Status kept = KeepContext(flags, context->text); !kept) return Complain(kept.error());
  return PrintValues(flags, *key, context->text, values->items);
}

// ---- put and del ---------------------------------------------------------------------------

int PrintContext(const DataFlags& flags, const RespValue& reply) {
  const std::string context = reply.kind == RespValue::Kind::kString ? reply.text : "";
  if (Status kept = KeepContext(flags, context); !kept) return Complain(kept.error());
  if (flags.client.json()) WriteOut(Json({{"context", context}}).dump(2) + "\n");
  return kExitOk;
}

std::string Counted(std::int64_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

// What a put with WITHMETA came to.
int PrintMeta(const DataFlags& flags, const RespValue& reply) {
  const RespValue* context = reply.Find("context");
  const RespValue* copies = reply.Find("copies");
  const RespValue* hints = reply.Find("hints");
  const RespValue* zones = reply.Find("zones");
  const RespValue* strict = reply.Find("strict");
  if (context == nullptr || copies == nullptr || hints == nullptr || zones == nullptr ||
      strict == nullptr) {
    return Complain({ErrorCode::kUnsupported, "the node does not answer KV.PUT as Gyre does"});
  }
  if (Status kept = KeepContext(flags, context->text); !kept) return Complain(kept.error());
  if (flags.client.json()) {
    const Json json = {{"context", context->text},
                       {"copies", copies->integer},
                       {"hints", hints->integer},
                       {"zones", zones->integer},
                       {"strict", strict->integer != 0}};
    return WriteOut(json.dump(2) + "\n") ? kExitOk : kExitUsage;
  }
  std::string text = Counted(copies->integer, "durable copy", "durable copies") + " in " +
                     Counted(zones->integer, "zone", "zones");
  if (hints->integer > 0) {
    text += ", " + std::to_string(hints->integer) + " of them kept by others for owners that " +
            "could not be reached";
  }
  text += strict->integer != 0 ? "; every read with R owners sees it\n"
                               : "; a read may miss it until it is on more owners\n";
  return WriteOut(text) ? kExitOk : kExitUsage;
}

Result<std::string> GivenValue(const DataFlags& flags) {
  if (!flags.file.empty()) return ReadFile(flags.file, kValueBytesHardMax);
  if (flags.value_option->count() == 0 || flags.value == "-") {
    return ReadFile("-", kValueBytesHardMax);
  }
  return flags.value;
}

// W and SLOPPY for a plain command are the connection's.
Status ChooseQuorum(RespClient& client, const DataFlags& flags) {
  std::vector<std::string_view> command = {"KV.QUORUM"};
  if (!flags.r.empty()) command.insert(command.end(), {"R", flags.r});
  if (!flags.w.empty()) command.insert(command.end(), {"W", flags.w});
  if (!flags.sloppy.empty()) command.insert(command.end(), {"SLOPPY", flags.sloppy});
  if (command.size() == 1) return {};
  const Result<RespValue> reply = CallNode(client, command);
  if (!reply) return Fail(ErrorCode::kInvalidArgument, reply.error().message);
  return {};
}

int Put(const DataFlags& flags) {
  const Result<std::string> key = ReadKey(flags.key, flags.key_hex, flags.key_percent);
  if (!key) return Complain(key.error());
  const Result<std::string> value = GivenValue(flags);
  if (!value) return Complain(value.error());
  Result<std::optional<std::string>> context = GivenContext(flags);
  if (!context) return Complain(context.error());
  Result<RespClient> client = ConnectTo(flags.client);
  if (!client) return Complain(client.error());
  if (Status status = ChooseQuorum(*client, flags); !status) return Complain(status.error());
  if (flags.meta && !*context) {
    // Only KV.PUT says what it came to: what is there is read, and replaced, as SET replaces what
    // its node knows.
    const Result<RespValue> seen = CallNode(*client, GetCommand(flags, *key));
    if (!seen) return ComplainOfRead(seen.error());
    const RespValue* found = seen->Find("context");
    *context = found == nullptr ? "" : found->text;
  }

  const std::string ttl_ms = std::to_string(
      std::max<std::int64_t>(1, static_cast<std::int64_t>(flags.ttl_seconds * 1000)));
  std::vector<std::string_view> command;
  if (*context) {
    command = {"KV.PUT", *key, **context, *value};
  } else {
    command = {"SET", *key, *value};
  }
  if (flags.ttl_seconds > 0) command.insert(command.end(), {"PX", ttl_ms});
  if (flags.meta) command.push_back("WITHMETA");
  const Result<RespValue> reply = CallNode(*client, command);
  if (!reply) return Complain(reply.error());
  if (flags.meta) return PrintMeta(flags, *reply);
  return *context ? PrintContext(flags, *reply) : kExitOk;
}

int Del(const DataFlags& flags) {
  const Result<std::string> key = ReadKey(flags.key, flags.key_hex, flags.key_percent);
  if (!key) return Complain(key.error());
  const Result<std::optional<std::string>> context = GivenContext(flags);
  if (!context) return Complain(context.error());
  Result<RespClient> client = ConnectTo(flags.client);
  if (!client) return Complain(client.error());
  if (Status status = ChooseQuorum(*client, flags); !status) return Complain(status.error());
  std::vector<std::string_view> command = {"DEL", *key};
  if (*context) command = {"KV.DEL", *key, **context};
  const Result<RespValue> reply = CallNode(*client, command);
  if (!reply) return Complain(reply.error());
  if (*context) return PrintContext(flags, *reply);
  if (reply->kind == RespValue::Kind::kInteger && reply->integer == 0) {
    return Complain({ErrorCode::kNotFound, "there is no such key"});
  }
  return kExitOk;
}

}  // namespace

void AddDataVerbs(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<DataFlags>();
  CLI::App* get = app.add_subcommand("get", "Print the value of a key, unchanged");
  AddKey(*get, *flags);
  AddClientFlags(*get, flags->client, /*keyspace=*/true);
  get->add_option("--r", flags->r,
                  "replies to wait for: one, quorum, all, "
                  "local_quorum, each_quorum or a number");
  AddSloppy(*get, *flags);
  get->add_option("-c,--context-file", flags->context_file,
                  "write the context to this file, for a later put or del");
  get->callback([flags, &exit_code] { exit_code = Get(*flags); });

  flags = std::make_shared<DataFlags>();
  CLI::App* put = app.add_subcommand("put", "Store a value");
  AddKey(*put, *flags);
  flags->value_option = put->add_option("value", flags->value, "the value; - or nothing: stdin");
  put->add_option("--file", flags->file, "the value is in this file")
      ->excludes(flags->value_option);
  AddContext(*put, *flags,
             "what you have seen, as a get returned it; \"\" is nothing. Without it the value "
             "replaces what the node knows");
  AddClientFlags(*put, flags->client, /*keyspace=*/true);
  put->add_option("--w", flags->w,
                  "acknowledgements to wait for: one, quorum, all, "
                  "local_quorum, each_quorum or a number");
  put->add_option("--r", flags->r, "replies to wait for where the write reads first");
  AddSloppy(*put, *flags);
  put->add_flag(
      "--meta", flags->meta,
      "say on how many nodes the value is; without a context what is there is read first, "
      "and replaced");
  put->add_option("--ttl", flags->ttl_seconds, "seconds until the value expires")
      ->check(CLI::Range(0.001, 315360000.0));
  put->callback([flags, &exit_code] { exit_code = Put(*flags); });

  flags = std::make_shared<DataFlags>();
  CLI::App* del = app.add_subcommand("del", "Delete a key");
  AddKey(*del, *flags);
  AddContext(*del, *flags,
             "what you have seen, as a get returned it. Without it all that a read finds goes");
  AddClientFlags(*del, flags->client, /*keyspace=*/true);
  del->add_option("--w", flags->w,
                  "acknowledgements to wait for: one, quorum, all, "
                  "local_quorum, each_quorum or a number");
  del->add_option("--r", flags->r, "replies to wait for where the delete reads first");
  AddSloppy(*del, *flags);
  del->callback([flags, &exit_code] { exit_code = Del(*flags); });
}

}  // namespace gyre

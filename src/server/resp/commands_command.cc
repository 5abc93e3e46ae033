// COMMAND and the HELP subcommands: the command table as Redis 7 shows its own.
#include <algorithm>
#include <vector>

#include "server/resp/arguments.h"
#include "server/resp/commands.h"
#include "server/resp/glob.h"
#include "server/resp/resp_session.h"

namespace gyre {
namespace {

// Commands that are offered, without subcommands.
std::vector<const CommandSpec*> Offered() {
  std::vector<const CommandSpec*> offered;
  for (const CommandSpec& spec : AllCommands()) {
    if (spec.group != CommandGroup::kNeedsLeader && !spec.is_subcommand()) {
      offered.push_back(&spec);
    }
  }
  return offered;
}

std::vector<const CommandSpec*> SubcommandsOf(const CommandSpec& spec) {
  std::vector<const CommandSpec*> subcommands;
  if (!spec.HasSubcommands()) return subcommands;
  for (const CommandSpec* sub = &spec + 1;
       sub->name.size() > spec.name.size() && sub->name.starts_with(spec.name) &&
       sub->name[spec.name.size()] == '|';
       ++sub) {
    subcommands.push_back(sub);
  }
  return subcommands;
}

// By its name or "container|sub"; null if it is not offered.
const CommandSpec* FindOffered(std::string_view name) {
  const std::size_t bar = name.find('|');
  const CommandSpec* spec = FindCommand(name.substr(0, bar));
  if (spec != nullptr && bar != std::string_view::npos) {
    spec = spec->HasSubcommands() ? FindSubcommand(*spec, name.substr(bar + 1)) : nullptr;
  }
  return spec == nullptr || spec->group == CommandGroup::kNeedsLeader ? nullptr : spec;
}

void WriteStatuses(RespWriter& out, const std::vector<std::string_view>& names) {
  out.Set(names.size());
  for (const std::string_view name : names) out.Simple(name);
}

std::vector<std::string_view> FlagsOf(const CommandSpec& spec) {
  static constexpr std::pair<CommandSpec::Flag, std::string_view> kNames[] = {
      {CommandSpec::kFlagWrite, "write"},       {CommandSpec::kFlagReadonly, "readonly"},
      {CommandSpec::kFlagDenyOom, "denyoom"},   {CommandSpec::kFlagAdmin, "admin"},
      {CommandSpec::kFlagNoScript, "noscript"}, {CommandSpec::kFlagLoading, "loading"},
      {CommandSpec::kFlagStale, "stale"},       {CommandSpec::kFlagFast, "fast"},
      {CommandSpec::kFlagNoAuth, "no_auth"}};
  std::vector<std::string_view> names;
  for (const auto& [flag, name] : kNames) {
    if ((spec.flags & flag) != 0) names.push_back(name);
  }
  return names;
}

std::vector<std::string_view> CategoriesOf(const CommandSpec& spec) {
  std::vector<std::string_view> names;
  if ((spec.flags & CommandSpec::kFlagWrite) != 0) names.push_back("@write");
  if ((spec.flags & CommandSpec::kFlagReadonly) != 0) names.push_back("@read");
  if (spec.group == CommandGroup::kString || spec.group == CommandGroup::kNative) {
    names.push_back("@string");
  }
  if (spec.group == CommandGroup::kGeneric) names.push_back("@keyspace");
  if (spec.group == CommandGroup::kConnection) names.push_back("@connection");
  if ((spec.flags & CommandSpec::kFlagAdmin) != 0) {
    names.push_back("@admin");
    names.push_back("@dangerous");
  }
  names.push_back((spec.flags & CommandSpec::kFlagFast) != 0 ? "@fast" : "@slow");
  return names;
}

void WriteKeySpecs(RespWriter& out, const CommandSpec& spec) {
  if (spec.first_key == 0) return out.Array(0);
  const auto text = [&](std::string_view bytes) { out.Bulk(bytes); };
  const bool reads = (spec.flags & CommandSpec::kFlagReadonly) != 0;
  out.Array(1);
  out.Map(3);
  text("flags");
  out.Set(2);
  out.Simple(reads ? "RO" : "RW");
  out.Simple(reads ? "access" : "update");
  text("begin_search");
  out.Map(2);
  text("type");
  text("index");
  text("spec");
  out.Map(1);
  text("index");
  out.Integer(spec.first_key);
  text("find_keys");
  out.Map(2);
  text("type");
  text("range");
  text("spec");
  out.Map(3);
  text("lastkey");
  out.Integer(spec.last_key < 0 ? spec.last_key : spec.last_key - spec.first_key);
  text("keystep");
  out.Integer(spec.key_step);
  text("limit");
  out.Integer(0);
}

void WriteInfo(RespWriter& out, const CommandSpec& spec) {
  const std::vector<const CommandSpec*> subcommands = SubcommandsOf(spec);
  out.Array(10);
  out.Bulk(spec.name);
  out.Integer(spec.arity);
  WriteStatuses(out, FlagsOf(spec));
  out.Integer(spec.first_key);
  out.Integer(spec.last_key);
  out.Integer(spec.key_step);
  WriteStatuses(out, CategoriesOf(spec));
  out.Array(0);  // tips
  WriteKeySpecs(out, spec);
  out.Array(subcommands.size());
  for (const CommandSpec* sub : subcommands) WriteInfo(out, *sub);
}

void WriteDocs(RespWriter& out, const CommandSpec& spec) {
  const std::vector<const CommandSpec*> subcommands = SubcommandsOf(spec);
  const auto text = [&](std::string_view key, std::string_view value) {
    out.Bulk(key);
    out.Bulk(value);
  };
  out.Map(subcommands.empty() ? 3 : 4);
  text("summary", spec.summary);
  text("since", spec.since);
  text("group", CommandGroupName(spec.group));
  if (subcommands.empty()) return;
  out.Bulk(std::string_view("subcommands"));
  out.Map(subcommands.size());
  for (const CommandSpec* sub : subcommands) {
    out.Bulk(sub->name);
    WriteDocs(out, *sub);
  }
}

}  // namespace

void CommandCommand(RespSession& session, const RespArgs&) {
  const std::vector<const CommandSpec*> offered = Offered();
  RespWriter out = session.Reply();
  out.Array(offered.size());
  for (const CommandSpec* spec : offered) WriteInfo(out, *spec);
}

void CommandCountCommand(RespSession& session, const RespArgs&) {
  session.Reply().Integer(static_cast<std::int64_t>(Offered().size()));
}

void CommandInfoCommand(RespSession& session, const RespArgs& args) {
  if (args.size() == 2) return CommandCommand(session, args);
  RespWriter out = session.Reply();
  out.Array(args.size() - 2);
  for (std::size_t i = 2; i < args.size(); ++i) {
    const CommandSpec* spec = FindOffered(args[i]);
    if (spec == nullptr) {
      out.NullArray();
    } else {
      WriteInfo(out, *spec);
    }
  }
}

void CommandDocsCommand(RespSession& session, const RespArgs& args) {
  std::vector<const CommandSpec*> wanted;
  if (args.size() == 2) wanted = Offered();
  for (std::size_t i = 2; i < args.size(); ++i) {
    if (const CommandSpec* spec = FindOffered(args[i]); spec != nullptr) wanted.push_back(spec);
  }
  RespWriter out = session.Reply();
  out.Map(wanted.size());
  for (const CommandSpec* spec : wanted) {
    out.Bulk(spec->name);
    WriteDocs(out, *spec);
  }
}

void CommandListCommand(RespSession& session, const RespArgs& args) {
  std::string_view pattern = "*";
  if (args.size() > 2) {
    const bool by_pattern = args.size() == 5 && EqualsWord(args[2], "filterby") &&
                            EqualsWord(args[3], "pattern") && args[4].size() <= kGlobBytesMax;
    if (!by_pattern) return session.Error(kSyntaxError);
    pattern = args[4];
  }
  std::vector<const CommandSpec*> listed;
  for (const CommandSpec* spec : Offered()) {
    if (GlobMatch(pattern, spec->name, /*ignore_case=*/true)) listed.push_back(spec);
    for (const CommandSpec* sub : SubcommandsOf(*spec)) {
      if (GlobMatch(pattern, sub->name, /*ignore_case=*/true)) listed.push_back(sub);
    }
  }
  RespWriter out = session.Reply();
  out.Array(listed.size());
  for (const CommandSpec* spec : listed) out.Bulk(spec->name);
}

// CLIENT HELP and so on, from the table.
void HelpCommand(RespSession& session, const RespArgs& args) {
  const CommandSpec& container = *FindCommand(args[0]);
  const auto upper = [](std::string_view text) {
    std::string copy(text);
    for (char& c : copy) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    return copy;
  };
  std::vector<std::string> lines;
  lines.push_back(upper(container.name) +
                  " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
  for (const CommandSpec* sub : SubcommandsOf(container)) {
    std::string line = upper(sub->name.substr(container.name.size() + 1));
    if (!sub->syntax.empty()) line += " " + std::string(sub->syntax);
    lines.push_back(std::move(line));
    lines.push_back("    " + std::string(sub->summary) + ".");
  }
  RespWriter out = session.Reply();
  out.Array(lines.size());
  for (const std::string& line : lines) out.Simple(line);
}

}  // namespace gyre

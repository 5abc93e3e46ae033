// Renders docs/commands.md from the command table.
#include <string>

#include "server/resp/command_table.h"

namespace gyre {
namespace {

std::string Upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    if (c == '|') c = ' ';
  }
  return upper;
}

std::string EscapeCell(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

struct Section {
  CommandGroup group;
  std::string_view title;
  std::string_view text;
};
constexpr Section kSections[] = {
    {CommandGroup::kNative, "Gyre's own",
     "Siblings and contexts as they are. A context is opaque text; pass on what you were given.\n"
     "R and W are `one`, `quorum`, `all`, `local_quorum`, `each_quorum` or a number. `SLOPPY yes`: "
     "other nodes stand in for owners that\ncannot be reached (but a read of which no owner can be "
     "asked, and they know nothing, fails);\n`no`: the command fails if too few owners answer. "
     "`WITHMETA` "
     "answers a "
     "map instead\nof the context alone: `context`, `copies` (durable when answered, each on a "
     "node "
     "of its own), `hints`\n(those of them that stand-ins keep), `zones` (distinct), `strict` "
     "(whether R + W > N over the owners\nthat hold it: then every read with R of them sees this "
     "write; 1 or 0 in RESP2)."},
    {CommandGroup::kString, "Strings",
     "A plain read answers the newest of a key's values; the others stay until a write that has "
     "seen\nthem. A plain write overwrites all that its coordinator knows."},
    {CommandGroup::kGeneric, "Keys", "Keys have 1 to 65,536 bytes of any kind."},
    {CommandGroup::kConnection, "Connection", ""},
    {CommandGroup::kServer, "Server", ""},
};

}  // namespace

std::string RenderCommandsMarkdown() {
  std::string text =
      "# Commands\n"
      "\n"
      "What Gyre answers on its Redis port, in RESP2 and RESP3. Made from the command table\n"
      "(`src/server/resp/command_table.cc`): do not edit. To write it anew, run\n"
      "`GYRE_UPDATE_DOCS=1 build/debug/resp_test --gtest_filter='CommandDocs*'`.\n"
      "\n"
      "Commands of one connection run at the same time, but a command sees the effect of those\n"
      "before it on the same keys. Errors: `ERR` the request is wrong, `UNAVAILABLE` and `BUSY`\n"
      "surely not applied, `UNKNOWN outcome` may be applied, now or later; `CORRUPT` and `IOERR`\n"
      "the storage failed.\n";
  for (const Section& section : kSections) {
    text += "\n## " + std::string(section.title) + "\n\n";
    if (!section.text.empty()) text += std::string(section.text) + "\n\n";
    text += "| command | what it does |\n| --- | --- |\n";
    for (const CommandSpec& spec : AllCommands()) {
      if (spec.group != section.group || spec.handler == nullptr) continue;
      text += "| `" + Upper(spec.name);
      if (!spec.syntax.empty()) text += " " + EscapeCell(spec.syntax);
      text += "` | " + EscapeCell(spec.summary) + " |\n";
    }
  }
  text +=
      "\n## Refused: these need a leader\n"
      "\n"
      "They promise one order of all writes to a key, or several keys at once. Every node of Gyre\n"
      "takes writes, so no node can promise that; an approximation would lose data in silence.\n"
      "`SET` with `NX` or `XX` is refused for the same reason.\n"
      "\n"
      "| commands | instead |\n| --- | --- |\n";
  std::string_view instead;
  for (const CommandSpec& spec : AllCommands()) {
    if (spec.group != CommandGroup::kNeedsLeader) continue;
    if (spec.summary != instead) {
      if (!instead.empty()) text += " | " + EscapeCell(instead) + " |\n";
      text += "| ";
      instead = spec.summary;
    } else {
      text += ' ';
    }
    text += '`' + Upper(spec.name) + '`';
  }
  text += " | " + EscapeCell(instead) + " |\n";
  return text;
}

}  // namespace gyre

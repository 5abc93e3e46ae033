#include "cli/node_json.h"

namespace gyre {

std::string Field(const Json& json, const char* name) {
  const auto it = json.find(name);
  if (it == json.end() || it->is_null()) return {};
  return it->is_string() ? it->get<std::string>() : it->dump();
}

int PrintJson(std::string_view text) {
  const bool whole = WriteOut(text) && (text.ends_with('\n') || WriteOut("\n"));
  return whole ? kExitOk : kExitUsage;
}

int PrintFromNode(const ClientFlags& flags, const std::vector<std::string_view>& command,
                  const std::function<std::string(const Json&)>& render) {
  Result<RespClient> client = ConnectTo(flags);
  if (!client) return Complain(client.error());
  const Result<RespValue> reply = CallNode(*client, command);
  if (!reply) {
    Complain(reply.error());
    // These only ask: cut off is unavailable, not unknown.
    return reply.error().code == ErrorCode::kOutcomeUnknown ? int{kExitUnavailable}
                                                            : ExitCodeOf(reply.error().code);
  }
  if (flags.json()) return PrintJson(reply->text);
  try {
    return WriteOut(render(Json::parse(reply->text))) ? kExitOk : kExitUsage;
  } catch (const Json::exception& problem) {
    return Complain({ErrorCode::kUnsupported,
                     std::string("the node's answer is not what this gyre expects; see -o json (") +
                         problem.what() + ")"});
  }
}

}  // namespace gyre

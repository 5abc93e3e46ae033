// The handlers that the command table names. Each gets a command whose arity, password, key sizes
// and order are checked already, and answers it through the session: at once, or by a request.
#pragma once

#include "net/resp_parser.h"

namespace gyre {

class RespSession;

#define GYRE_RESP_COMMAND(name) void name(RespSession& session, const RespArgs& args)
// commands_native.cc
GYRE_RESP_COMMAND(KvGetCommand);
GYRE_RESP_COMMAND(KvPutCommand);
GYRE_RESP_COMMAND(KvDelCommand);
GYRE_RESP_COMMAND(KvUseCommand);
GYRE_RESP_COMMAND(KvQuorumCommand);
GYRE_RESP_COMMAND(KvRepairCommand);
GYRE_RESP_COMMAND(KvClusterCommand);
GYRE_RESP_COMMAND(KvStatusCommand);
GYRE_RESP_COMMAND(KvRingCommand);
GYRE_RESP_COMMAND(KvExplainCommand);
GYRE_RESP_COMMAND(KvKeyspacesCommand);
GYRE_RESP_COMMAND(WaitCommand);
// commands_string.cc
GYRE_RESP_COMMAND(GetCommand);
GYRE_RESP_COMMAND(SetCommand);
GYRE_RESP_COMMAND(SetexCommand);
GYRE_RESP_COMMAND(PsetexCommand);
GYRE_RESP_COMMAND(GetexCommand);
GYRE_RESP_COMMAND(GetdelCommand);
GYRE_RESP_COMMAND(GetsetCommand);
GYRE_RESP_COMMAND(StrlenCommand);
GYRE_RESP_COMMAND(MgetCommand);
GYRE_RESP_COMMAND(MsetCommand);
// commands_key.cc
GYRE_RESP_COMMAND(DelCommand);
GYRE_RESP_COMMAND(ExistsCommand);
GYRE_RESP_COMMAND(TypeCommand);
GYRE_RESP_COMMAND(TtlCommand);
GYRE_RESP_COMMAND(PttlCommand);
GYRE_RESP_COMMAND(ExpiretimeCommand);
GYRE_RESP_COMMAND(PexpiretimeCommand);
GYRE_RESP_COMMAND(ExpireCommand);
GYRE_RESP_COMMAND(PexpireCommand);
GYRE_RESP_COMMAND(ExpireatCommand);
GYRE_RESP_COMMAND(PexpireatCommand);
GYRE_RESP_COMMAND(PersistCommand);
GYRE_RESP_COMMAND(ObjectEncodingCommand);
GYRE_RESP_COMMAND(ObjectRefcountCommand);
GYRE_RESP_COMMAND(MemoryUsageCommand);
// commands_scan.cc
GYRE_RESP_COMMAND(ScanCommand);
GYRE_RESP_COMMAND(KeysCommand);
GYRE_RESP_COMMAND(DbsizeCommand);
GYRE_RESP_COMMAND(RandomkeyCommand);
GYRE_RESP_COMMAND(FlushallCommand);
GYRE_RESP_COMMAND(FlushdbCommand);
// commands_connection.cc
GYRE_RESP_COMMAND(PingCommand);
GYRE_RESP_COMMAND(EchoCommand);
GYRE_RESP_COMMAND(QuitCommand);
GYRE_RESP_COMMAND(ResetCommand);
GYRE_RESP_COMMAND(SelectCommand);
GYRE_RESP_COMMAND(HelloCommand);
GYRE_RESP_COMMAND(AuthCommand);
GYRE_RESP_COMMAND(ClientIdCommand);
GYRE_RESP_COMMAND(ClientInfoCommand);
GYRE_RESP_COMMAND(ClientListCommand);
GYRE_RESP_COMMAND(ClientSetnameCommand);
GYRE_RESP_COMMAND(ClientGetnameCommand);
GYRE_RESP_COMMAND(ClientSetinfoCommand);
GYRE_RESP_COMMAND(ClientSwitchCommand);
GYRE_RESP_COMMAND(ClientReplyCommand);
GYRE_RESP_COMMAND(ClientKillCommand);
// commands_server.cc
GYRE_RESP_COMMAND(OkCommand);
GYRE_RESP_COMMAND(InfoCommand);
GYRE_RESP_COMMAND(ConfigGetCommand);
GYRE_RESP_COMMAND(ConfigSetCommand);
GYRE_RESP_COMMAND(TimeCommand);
GYRE_RESP_COMMAND(FunctionFlushCommand);
GYRE_RESP_COMMAND(DebugCommand);
GYRE_RESP_COMMAND(RefuseNeedsLeader);
// commands_command.cc
GYRE_RESP_COMMAND(CommandCommand);
GYRE_RESP_COMMAND(CommandCountCommand);
GYRE_RESP_COMMAND(CommandInfoCommand);
GYRE_RESP_COMMAND(CommandDocsCommand);
GYRE_RESP_COMMAND(CommandListCommand);
GYRE_RESP_COMMAND(HelpCommand);
#undef GYRE_RESP_COMMAND

}  // namespace gyre

/* The header alone, and twice. */
#include "bowline.h"
#include "bowline.h"

extern int header_is_used(void);
int header_is_used(void)
{
    bowline_channel_desc desc = BOWLINE_CHANNEL_DESC_INIT;
    bowline_key_info key = BOWLINE_KEY_INFO_INIT;
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    bowline_addr addr = BOWLINE_ADDR_INIT;
    bowline_peer_info info = BOWLINE_PEER_INFO_INIT;
    bowline_metrics metrics = BOWLINE_METRICS_INIT;
    bowline_result result = BOWLINE_OK;
    bowline_state state = BOWLINE_STATE_NEW;
    bowline_event_kind kind = BOWLINE_EV_MESSAGE;
    if (bowline_check_abi(BOWLINE_VERSION_NUMBER) != BOWLINE_OK) {
        result = BOWLINE_E_VERSION;
    }
    opts.timeout_ms = BOWLINE_FOREVER + BOWLINE_NOWAIT;
    return desc.struct_size != 0 && key.struct_size != 0 && opts.struct_size != 0 && info.struct_size != 0 && metrics.struct_size != 0 &&
           addr.family == 0 && state == 0 && kind == 1 && result == BOWLINE_OK;
}

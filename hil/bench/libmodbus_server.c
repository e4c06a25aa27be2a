/* Reference server for `gridhil bench modbus`: libmodbus' own receive and reply calls, many
 * connections through poll(). Prints the port it listens on. */
#include <errno.h>
#include <modbus.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 256

int main(void) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    modbus_t *ctx = modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *map = modbus_mapping_new(0, 0, 2000, 2000);
    if (!ctx || !map) return 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof where;
    if (bind(listener, (struct sockaddr *)&where, size) || listen(listener, CONNECTIONS)) return 1;
    getsockname(listener, (struct sockaddr *)&where, &size);
    printf("ready 127.0.0.1:%d\n", ntohs(where.sin_port));
    fflush(stdout);

    struct pollfd fds[CONNECTIONS + 1] = {{.fd = listener, .events = POLLIN}};
    int n = 1;
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    for (;;) {
        if (poll(fds, n, -1) < 0 && errno != EINTR) return 1;
        int known = n;
        if (fds[0].revents & POLLIN && n <= CONNECTIONS) {
            int fd = accept(listener, NULL, NULL);
            if (fd >= 0) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                fds[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
            }
        }
        for (int i = known - 1; i > 0; i--) {
            if (!fds[i].revents) continue;
            modbus_set_socket(ctx, fds[i].fd);
            int got = modbus_receive(ctx, query);
            if (got > 0) {
                modbus_reply(ctx, query, got, map);
            } else if (got < 0) {
                close(fds[i].fd);
                fds[i] = fds[--n];
            }
        }
    }
}

/* The least that a reflector does: send each datagram back. `echo PORT` listens on 127.0.0.1 until it is ended. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int sock = socket(AF_INET, SOCK_DGRAM, 0), room = 4 << 20;

    if (argc != 2 || sock < 0)
        return 2;
    here.sin_port = htons(atoi(argv[1]));
    setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (bind(sock, (struct sockaddr *)&here, sizeof here))
        return 3;
    fputs("Answering\n", stderr);
    for (;;) {
        struct sockaddr_in there;
        socklen_t size = sizeof there;
        char octets[2048];
        ssize_t count = recvfrom(sock, octets, sizeof octets, 0, (struct sockaddr *)&there, &size);

        if (count >= 0)
            sendto(sock, octets, count, 0, (struct sockaddr *)&there, size);
    }
}

/* The official NATS image's way of starting: options alone are the server's, anything else is a command of its own. */
#include <stdio.h>
#include <unistd.h>

int main(int count, char **words) {
    if (count > 1 && words[1][0] != '-') {
        execvp(words[1], words + 1);
        perror(words[1]);
    } else {
        words[0] = "nats-server";
        execv("/usr/local/bin/nats-server", words);
        perror("nats-server");
    }
    return 127;
}

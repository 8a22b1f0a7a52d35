import ee.forgr.capacitor_updater.CryptoCipher;
import ee.forgr.capacitor_updater.Logger;
import java.io.File;

/** What the updater does with a download (CapgoUpdater.finishDownload): FILE PUBLIC CHECKSUM SESSION. Exits 3 where it refuses. */
public class Read {

    public static void main(String[] arguments) {
        CryptoCipher.setLogger(new Logger());
        File file = new File(arguments[0]);
        try {
            CryptoCipher.decryptFile(file, arguments[1], arguments[3]);
            String expected = CryptoCipher.decryptChecksum(arguments[2], arguments[1]);
            if (!expected.equals(CryptoCipher.calcChecksum(file))) System.exit(3);
        } catch (Exception refused) {
            System.exit(3);
        }
    }
}

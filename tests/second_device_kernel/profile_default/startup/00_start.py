# A notebook's kernel gets the device of tests/second_device.py. (With that module's name, this file would shadow it.)
import second_device

second_device.install()
del second_device
